// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import TenfoldInference

/// Writes small GGUF files for tests, right or wrong as told.
struct GGUFWriter {
  var version: UInt32 = 3
  var alignment = 32
  var tensorCount: UInt64?
  var valueCount: UInt64?
  private var values: [[UInt8]] = []
  private var infos: [[UInt8]] = []
  private(set) var data: [UInt8] = []

  static func bytes<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
    (0..<MemoryLayout<T>.size).map { UInt8(truncatingIfNeeded: value >> T($0 * 8)) }
  }

  static func string(_ text: String) -> [UInt8] { bytes(UInt64(text.utf8.count)) + Array(text.utf8) }

  mutating func raw(_ key: String, type: UInt32, _ payload: [UInt8]) {
    values.append(Self.string(key) + Self.bytes(type) + payload)
  }

  mutating func set(_ key: String, _ value: String) { raw(key, type: 8, Self.string(value)) }
  mutating func set(_ key: String, _ value: UInt32) { raw(key, type: 4, Self.bytes(value)) }
  mutating func set(_ key: String, _ value: Float) { raw(key, type: 6, Self.bytes(value.bitPattern)) }
  mutating func set(_ key: String, _ value: Bool) { raw(key, type: 7, [value ? 1 : 0]) }
  mutating func set(_ key: String, _ value: [Float]) {
    raw(
      key,
      type: 9,
      Self.bytes(UInt32(6)) + Self.bytes(UInt64(value.count)) + value.flatMap { Self.bytes($0.bitPattern) }
    )
  }
  mutating func set(_ key: String, _ value: [String]) {
    raw(key, type: 9, Self.bytes(UInt32(8)) + Self.bytes(UInt64(value.count)) + value.flatMap(Self.string))
  }
  mutating func set(_ key: String, _ value: [Int32]) {
    raw(key, type: 9, Self.bytes(UInt32(5)) + Self.bytes(UInt64(value.count)) + value.flatMap(Self.bytes))
  }

  mutating func tensor(
    _ name: String,
    _ dimensions: [UInt64],
    type: UInt32 = 0,
    offset: UInt64? = nil,
    _ bytes: [UInt8]
  ) {
    while data.count % alignment != 0 { data.append(0) }
    infos.append(
      Self.string(name) + Self.bytes(UInt32(dimensions.count)) + dimensions.flatMap(Self.bytes)
        + Self.bytes(type) + Self.bytes(offset ?? UInt64(data.count))
    )
    data += bytes
  }

  func encoded() -> [UInt8] {
    var file = Array("GGUF".utf8) + Self.bytes(version)
    file += Self.bytes(tensorCount ?? UInt64(infos.count)) + Self.bytes(valueCount ?? UInt64(values.count))
    file += values.flatMap { $0 } + infos.flatMap { $0 }
    if !infos.isEmpty { while file.count % alignment != 0 { file.append(0) } }
    return file + data
  }

  /// A small valid file with every kind of value, nested arrays and two tensors.
  static func sample() -> GGUFWriter {
    var writer = GGUFWriter()
    writer.set("general.architecture", "llama")
    writer.set("llama.block_count", 30 as UInt32)
    writer.set("llama.rope.freq_base", 100_000 as Float)
    writer.set("words", ["alpha", "", "é"])
    writer.set("kinds", [1, 3, -7] as [Int32])
    writer.raw("u8", type: 0, [200])
    writer.raw("i8", type: 1, [0xff])
    writer.raw("u16", type: 2, bytes(UInt16(65_535)))
    writer.raw("i16", type: 3, bytes(Int16(-2)))
    writer.raw("i32", type: 5, bytes(Int32(-3)))
    writer.raw("flag", type: 7, [1])
    writer.raw("u64", type: 10, bytes(UInt64.max))
    writer.raw("i64", type: 11, bytes(Int64.min))
    writer.raw("f64", type: 12, bytes((0.5).bitPattern))
    let inner = bytes(UInt32(4)) + bytes(UInt64(2)) + bytes(UInt32(7)) + bytes(UInt32(8))
    writer.raw("nested", type: 9, bytes(UInt32(9)) + bytes(UInt64(2)) + inner + inner)
    writer.tensor("a", [2, 3], (0..<6).flatMap { bytes(Float($0).bitPattern) })
    writer.tensor("b", [32, 2], type: 3, [UInt8](repeating: 5, count: 40))
    return writer
  }
}

/// Puts bytes into a file for the time of `body`.
func withFile<R>(_ bytes: [UInt8], _ body: (String) throws -> R) throws -> R {
  let url = FileManager.default.temporaryDirectory.appendingPathComponent("tenfold-\(UUID().uuidString)")
  try Data(bytes).write(to: url)
  defer { try? FileManager.default.removeItem(at: url) }
  return try body(url.path)
}

/// The code of the error that `body` throws, or `nil`.
func code(_ body: () throws -> Void) -> ModelError.Code? {
  do {
    try body()
    return nil
  } catch {
    return (error as? ModelError)?.code
  }
}

/// A small seeded generator (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
    return z ^ z >> 31
  }
}
