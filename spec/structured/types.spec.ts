/** What the types of the bridge and of nurseries say at the place of a call; the type checker is the test. */
import {
  aioAsTrio,
  trioAsAio,
  type Future,
} from '../../lib/structured/index.ts'

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
function same<A, B>(_: Same<A, B>): void {}

declare function over(a: number): Promise<number>
declare function over(a: string, b: boolean): Promise<string>
declare function generic<X>(x: X, ...more: X[]): Promise<X[]>
declare function fut(a: number): Future<string>
declare function withThis(this: Date, a: number): Promise<boolean>
declare function opt(a: number, b?: string): Promise<void>
declare function gen(a: number): AsyncGenerator<number, string, boolean>
declare function thenable(a: number): PromiseLike<number>
declare class Res { x: number; [Symbol.asyncDispose](): Promise<void> }

export const program = () => {
  const o = aioAsTrio(over)
  same<ReturnType<typeof o>, 1>(true)
  const r1 = o(1); same<typeof r1, Promise<number>>(true)
  const r2 = o('a', true); same<typeof r2, Promise<string>>(true)
  const g = aioAsTrio(generic)
  const r3 = g('x'); same<typeof r3, Promise<string[]>>(true)
  const f = aioAsTrio(fut)
  const r4 = f(1); same<typeof r4, Promise<string>>(true)
  const w = aioAsTrio(withThis)
  const r5 = w.call(new Date(), 1); same<typeof r5, Promise<boolean>>(true)
  const p = aioAsTrio(opt); p(1); p(1, 'x')
  const i = aioAsTrio(gen(1)); same<typeof i.value, AsyncGenerator<number, string, boolean>>(true)
  const th = aioAsTrio(thenable)(1); same<typeof th, Promise<number>>(true)
  const d = aioAsTrio(new Res()); same<typeof d.value, Res>(true)
  const t = trioAsAio(generic)
  const r6 = t('x'); same<typeof r6, Future<string[]>>(true)
  const r7 = trioAsAio(withThis).call(new Date(), 1); same<typeof r7, Future<boolean>>(true)
}
