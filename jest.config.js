export default {
  globalSetup: '<rootDir>/scripts/ensureBuild.mjs',
  testMatch: ['<rootDir>/spec/**/*.spec.ts'],
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/.nodes/'],
  moduleNameMapper: {
    '^millrace$': '<rootDir>/lib/index.ts',
    '^millrace/(\\w+)$': '<rootDir>/lib/$1/index.ts',
  },
  transform: {
    '\\.ts$': [
      'ts-jest',
      {
        tsconfig: {
          module: 'commonjs',
          moduleResolution: 'bundler',
          target: 'es2022',
          lib: ['es2023', 'esnext.disposable'],
          esModuleInterop: true,
          isolatedModules: true,
          types: ['node', 'jest'],
        },
      },
    ],
  },
}
