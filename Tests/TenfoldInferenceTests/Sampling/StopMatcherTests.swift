// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import TenfoldInference

@Suite("Stop texts")
struct StopMatcherTests {
  /// Everything that is shown, and whether it stopped.
  private func run(_ stop: [String], _ pieces: [String]) -> (shown: [String], isStopped: Bool) {
    var matcher = StopMatcher(stop)
    var shown: [String] = []
    for piece in pieces {
      let (text, isStopped) = matcher.take(piece)
      shown.append(text)
      if isStopped { return (shown, true) }
    }
    shown.append(matcher.flush())
    return (shown, false)
  }

  @Test("hold back what may be their beginning")
  func holding() {
    let (shown, isStopped) = run(["END"], ["abE", "N", "Dxyz"])
    #expect(shown == ["ab", "", ""] && isStopped)
  }

  @Test("are let go when they don't come about")
  func letGo() {
    #expect(run(["END"], ["abE", "Nd", "E"]).shown == ["ab", "ENd", "", "E"])
  }

  @Test("are found inside a piece, before whatever follows")
  func inside() {
    let (shown, isStopped) = run(["\n\n", "."], ["One. Two\n\n"])
    #expect(shown == ["One"] && isStopped)
  }

  @Test("that overlap themselves are found", arguments: [1, 2, 3, 5])
  func overlapping(size: Int) {
    let text = Array("aabaabaaab!")
    let pieces = stride(from: 0, to: text.count, by: size).map {
      String(text[$0..<min(text.count, $0 + size)])
    }
    let (shown, isStopped) = run(["aabaaab"], pieces)
    #expect(shown.joined() == "aab" && isStopped)
  }

  @Test("never cut a scalar in two")
  func scalars() {
    let (shown, isStopped) = run(["é!"], ["caf", "é", "?", "é", "!"])
    #expect(shown.joined() == "café?" && isStopped)
    #expect(shown.allSatisfy { !$0.unicodeScalars.contains("\u{FFFD}") })
  }

  @Test("agree with a search of the whole text", arguments: 0..<50)
  func property(seed: UInt64) {
    var random = SamplerRandom(seed: seed)
    let text = String((0..<60).map { _ in "ab".randomElement(using: &random) ?? "a" })
    let stops = (0..<3).map { _ in
      String(
        (0..<Int.random(in: 2...8, using: &random)).map { _ in "ab".randomElement(using: &random) ?? "b" }
      )
    }
    let (shown, isStopped) = run(stops, text.map(String.init))
    // The stop that ends first counts; of several that end together the longest.
    var expected: String?
    search: for end in 1...text.count {
      let head = String(text.prefix(end))
      for stop in stops.sorted(by: { $0.count > $1.count }) where head.hasSuffix(stop) {
        expected = String(head.dropLast(stop.count))
        break search
      }
    }
    #expect(shown.joined() == expected ?? text, "seed \(seed)")
    #expect(isStopped == (expected != nil), "seed \(seed)")
  }

  @Test("that are long and repetitive cost time linear in the answer")
  func long() {
    let stop = String(repeating: "a", count: 100_000) + "b"
    let (shown, isStopped) = run([stop], Array(repeating: "aaaaaaaaaa", count: 20_000))
    #expect(shown.joined().utf8.count == 200_000 && !isStopped)
  }
}
