// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Numbers in an open-addressing table: key → value.
struct IntegerTable: Sendable {
  private var keys: [UInt64]
  private var values: [Int32]
  private let mask: Int
  private let shift: UInt64
  /// No caller has this key.
  private static let free = UInt64.max

  init(capacity: Int) {
    var bits: UInt64 = 4
    while 1 << bits < capacity * 2 { bits += 1 }
    keys = Array(repeating: Self.free, count: 1 << bits)
    values = Array(repeating: -1, count: 1 << bits)
    mask = 1 << bits - 1
    shift = 64 - bits
  }

  @inline(__always)
  private func slot(_ key: UInt64) -> Int {
    var index = Int(truncatingIfNeeded: (key &* 0x9e37_79b9_7f4a_7c15) >> shift)
    while keys[index] != Self.free, keys[index] != key { index = (index + 1) & mask }
    return index
  }

  /// Adds a value that isn't negative; the first value of a key stays.
  mutating func insert(_ key: UInt64, _ value: Int32) {
    let index = slot(key)
    guard keys[index] == Self.free else { return }
    keys[index] = key
    values[index] = value
  }

  /// The value of a key, or -1.
  @inline(__always)
  subscript(key: UInt64) -> Int32 { values[slot(key)] }
}
