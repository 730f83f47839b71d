// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import TenfoldInference

@Suite("The time of a pass")
struct PassTimesTests {
  /// Times of passes that cost 20 ms and 2 ms a row, 5 % more or less.
  private func times(
    passes: Int,
    seed: UInt64,
    rows: ClosedRange<Int> = 1...200,
    factor: Double = 1
  ) -> PassTimes {
    var random = SamplerRandom(seed: seed)
    var times = PassTimes()
    for _ in 0..<passes {
      let count = Int.random(in: rows, using: &random)
      let noise = Double.random(in: 0.95...1.05, using: &random)
      times.note(rows: count, duration: .milliseconds(20 + 2 * count) * noise * factor)
    }
    return times
  }

  @Test("turns time into rows by what all rows so far took")
  func rows() {
    var times = PassTimes()
    #expect(times.rows(in: .seconds(1)) == 0)
    times.note(rows: 10, duration: .milliseconds(100))
    #expect(abs(times.rows(in: .milliseconds(50)) - 5) < 1e-9)
    #expect(times.rows(in: .zero) == 0)
  }

  @Test("is a line over its rows, found among noise", arguments: 0..<20)
  func line(seed: UInt64) {
    let times = times(passes: 100, seed: seed)
    // 20 + 2 * (10 + rows) = 240.
    let rows = times.promptRows(within: .milliseconds(240), besides: 10, limit: 512)
    #expect((64...128).contains(rows), "seed \(seed): \(rows)")
    let more = times.promptRows(within: .milliseconds(880), besides: 0, limit: 512)
    #expect((384...448).contains(more), "seed \(seed): \(more)")
  }

  @Test("is unknown without a pass: then the limit holds")
  func nothing() {
    var times = PassTimes()
    #expect(times.promptRows(within: .milliseconds(1), besides: 0, limit: 192) == 192)
    times.note(rows: 0, duration: .seconds(1))
    times.note(rows: 3, duration: .zero)
    #expect(times.promptRows(within: .milliseconds(1), besides: 0, limit: 192) == 192)
  }

  @Test("leaves the fewest rows to prompts at least, and no more than the limit")
  func bounds() {
    let times = times(passes: 50, seed: 1)
    #expect(times.promptRows(within: .nanoseconds(1), besides: 40, limit: 192) == PassTimes.fewestRows)
    #expect(times.promptRows(within: .seconds(3_600), besides: 0, limit: 100) == 100)
    #expect(times.promptRows(within: .nanoseconds(1), besides: 0, limit: 10) == 10)
  }

  @Test("follows a machine that has become slower, and passes that are all alike")
  func changes() {
    var times = times(passes: 200, seed: 2)
    for _ in 0..<300 { times.note(rows: 100, duration: .milliseconds(880)) }
    #expect(times.promptRows(within: .milliseconds(440), besides: 0, limit: 512) == 32)
    var alike = PassTimes()
    for _ in 0..<40 { alike.note(rows: 64, duration: .milliseconds(64)) }
    #expect(alike.promptRows(within: .milliseconds(128), besides: 0, limit: 512) == 128)
  }

  @Test("is never a reason to trap", arguments: 0..<40)
  func anything(seed: UInt64) {
    var random = SamplerRandom(seed: seed)
    var times = PassTimes()
    for _ in 0..<30 {
      let exponent = Int.random(in: -9...9, using: &random)
      var duration = Duration.nanoseconds(1)
      for _ in 0..<max(0, exponent + 9) { duration *= 10 }
      times.note(rows: Int.random(in: 0...1 << 20, using: &random), duration: duration)
      let rows = times.promptRows(
        within: .milliseconds(Int.random(in: 1...1 << 40, using: &random)),
        besides: Int.random(in: 0...256, using: &random),
        limit: 192
      )
      #expect((32...192).contains(rows), "seed \(seed)")
    }
  }
}
