/** What is taken from the system's memory while `run` runs: all blocks of the library come through this function. */
export function allocationsOf(run: () => void): { count: number; bytes: number } {
  const spy = jest.spyOn(Buffer, 'allocUnsafeSlow')
  try {
    run()
    return { count: spy.mock.calls.length, bytes: spy.mock.calls.reduce((sum, [size]) => sum + size, 0) }
  } finally {
    spy.mockRestore()
  }
}
