/** Bytes that count how often somebody asks for their length: everyone who walks over chunks does. */
export class CountingBytes extends Uint8Array {
  static looks = 0

  static looksOf(run: () => void): number {
    const before = CountingBytes.looks
    run()
    return CountingBytes.looks - before
  }

  override get length(): number {
    CountingBytes.looks++
    return super.length
  }
}
