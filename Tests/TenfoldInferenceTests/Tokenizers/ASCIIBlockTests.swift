// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import Testing

@testable import TenfoldInference

@Suite("Eight bytes at once")
struct ASCIIBlockTests {
  @Test("counts what a byte-by-byte look counts", arguments: [1, 2, 3] as [UInt64])
  func counts(_ seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    func isLetter(_ byte: UInt8) -> Bool { (0x41...0x5a).contains(byte & ~0x20) && byte < 0x80 }
    for byte in 0...255 as ClosedRange<UInt8> {
      for place in 0..<8 {
        var bytes = (0..<8).map { _ in Array("azAZmM".utf8).randomElement(using: &generator)! }
        bytes[place] = byte
        let block = ASCIIBlock(bytes.span, 0)
        #expect(block.leadingLetters == bytes.prefix(while: isLetter).count, "seed \(seed): \(bytes)")
        let alphanumerics = bytes.prefix { isLetter($0) || (0x30...0x39).contains($0) }
        #expect(block.leadingAlphanumerics == alphanumerics.count, "seed \(seed): \(bytes)")
        let mark = UInt8.random(in: 0..<128, using: &generator)
        #expect(
          block.leading(without: mark) == bytes.prefix { $0 != mark }.count,
          "seed \(seed): \(bytes), \(mark)"
        )
      }
    }
  }
}
