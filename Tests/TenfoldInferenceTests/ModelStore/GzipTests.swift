// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import TenfoldStorage
import Testing

@Suite struct GzipTests {
  private static let text = Array(String(repeating: "tenfold ", count: 40).utf8)
  private static let member: [UInt8] = [
    31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 43, 73, 205, 75, 203, 207, 73, 81, 40, 25, 165, 201, 162, 1, 145, 119,
    74, 2,
    64, 1, 0, 0,
  ]

  @Test("reads what the gzip tool writes, from memory and from a file")
  func reads() throws {
    #expect(try Gzip.decompress(Self.member, limit: 320) == Self.text)
    let path = FileManager.default.temporaryDirectory.path + "/tenfold-\(UUID().uuidString).gz"
    defer { try? FileManager.default.removeItem(atPath: path) }
    try Data(Self.member + Self.member).write(to: URL(fileURLWithPath: path))
    #expect(try Gzip.decompress(contentsOf: path, limit: 640) == Self.text + Self.text)
  }

  @Test("never gives more than the limit")
  func limit() {
    let error = #expect(throws: CompressionError.self) { try Gzip.decompress(Self.member, limit: 319) }
    #expect(error?.code == .tooLarge)
  }

  @Test("cut anywhere it is truncated", arguments: 0..<32)
  func truncated(length: Int) {
    let error = #expect(throws: CompressionError.self) {
      try Gzip.decompress(Array(Self.member.prefix(length)), limit: 1_000)
    }
    #expect(error?.code == .truncated)
  }

  @Test("a wrong checksum or rubbish is damaged", arguments: [0, 10, 25, 31])
  func damaged(index: Int) {
    var bytes = Self.member
    bytes[index] ^= 0xff
    #expect(throws: CompressionError.self) { try Gzip.decompress(bytes, limit: 1_000) }
    #expect(throws: CompressionError.self) { try Gzip.decompress(Self.member + [1, 2, 3], limit: 1_000) }
  }

  @Test("a missing file says so")
  func missing() {
    let error = #expect(throws: CompressionError.self) {
      try Gzip.decompress(contentsOf: "/nonexistent", limit: 1)
    }
    #expect(error?.code == .inputOutput)
  }
}
