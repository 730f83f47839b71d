// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Byte strings of one shared buffer in an open-addressing table: bytes → id.
struct ByteStringTable: Sendable {
  private var slots: [Int32]
  private let mask: Int
  private var hashes: [UInt32] = []
  private var starts: [Int] = [0]
  private(set) var bytes: [UInt8] = []

  init(capacity: Int, byteCount: Int) {
    var size = 16
    while size < capacity * 2 { size *= 2 }
    slots = Array(repeating: -1, count: size)
    mask = size - 1
    hashes.reserveCapacity(capacity)
    starts.reserveCapacity(capacity + 1)
    bytes.reserveCapacity(byteCount)
  }

  var count: Int { starts.count - 1 }

  /// The bytes of the string with that number.
  func range(_ id: Int) -> Range<Int> { starts[id]..<starts[id + 1] }

  @inline(__always)
  static func extend(_ hash: UInt32, _ bytes: RawSpan, _ range: Range<Int>) -> UInt32 {
    var hash = hash
    for index in range {
      // One byte; integers have no invalid bit patterns and the load is bounds-checked.
      let byte = unsafe bytes.unsafeLoad(fromByteOffset: index, as: UInt8.self)
      hash = (hash ^ UInt32(byte)) &* 16_777_619
    }
    return hash
  }

  static let seed: UInt32 = 2_166_136_261

  @inline(__always)
  private func slot(_ hash: UInt32) -> Int { Int((hash ^ hash >> 15) &* 0x2c1b_3c6d) & mask }

  /// Adds the next string; of equal strings the last is found.
  mutating func append(_ source: RawSpan, _ range: Range<Int>) {
    let id = Int32(count)
    let hash = Self.extend(Self.seed, source, range)
    for index in range {
      // As above.
      bytes.append(unsafe source.unsafeLoad(fromByteOffset: index, as: UInt8.self))
    }
    starts.append(bytes.count)
    hashes.append(hash)
    var index = slot(hash)
    while slots[index] >= 0 {
      if matches(slots[index], hash, source, range, source, range.upperBound..<range.upperBound) { break }
      index = (index + 1) & mask
    }
    slots[index] = id
  }

  /// The id of the concatenation of two ranges of `source`, or -1.
  func id(_ source: RawSpan, _ first: Range<Int>, _ second: Range<Int>) -> Int32 {
    let hash = Self.extend(Self.extend(Self.seed, source, first), source, second)
    var index = slot(hash)
    while slots[index] >= 0 {
      if matches(slots[index], hash, source, first, source, second) { return slots[index] }
      index = (index + 1) & mask
    }
    return -1
  }

  @inline(__always)
  private func matches(
    _ id: Int32,
    _ hash: UInt32,
    _ firstSource: RawSpan,
    _ first: Range<Int>,
    _ secondSource: RawSpan,
    _ second: Range<Int>
  ) -> Bool {
    guard hashes[Int(id)] == hash else { return false }
    let own = range(Int(id))
    guard own.count == first.count + second.count else { return false }
    var position = own.lowerBound
    for index in first {
      // One byte, bounds-checked.
      guard unsafe firstSource.unsafeLoad(fromByteOffset: index, as: UInt8.self) == bytes[position] else {
        return false
      }
      position += 1
    }
    for index in second {
      // One byte, bounds-checked.
      guard unsafe secondSource.unsafeLoad(fromByteOffset: index, as: UInt8.self) == bytes[position] else {
        return false
      }
      position += 1
    }
    return true
  }
}
