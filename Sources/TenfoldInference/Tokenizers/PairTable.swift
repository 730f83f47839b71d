// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Merge rules in an open-addressing table: (left id, right id) → (rank, merged id).
struct PairTable: Sendable {
  private struct Slot: Sendable {
    var key: UInt64
    var rank: Int32
    var id: Int32
  }

  private var slots: [Slot]
  private let mask: Int
  private static let empty = UInt64.max

  init(capacity: Int) {
    var size = 16
    while size < capacity * 2 { size *= 2 }
    slots = Array(repeating: Slot(key: Self.empty, rank: .max, id: -1), count: size)
    mask = size - 1
  }

  @inline(__always)
  private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }

  @inline(__always)
  private func start(_ key: UInt64) -> Int {
    Int(truncatingIfNeeded: (key &* 0x9e37_79b9_7f4a_7c15) >> 32) & mask
  }

  /// Adds a rule; the first rule of a pair stays.
  mutating func insert(_ left: Int32, _ right: Int32, rank: Int32, id: Int32) {
    let key = Self.key(left, right)
    var index = start(key)
    while slots[index].key != Self.empty {
      if slots[index].key == key { return }
      index = (index + 1) & mask
    }
    slots[index] = Slot(key: key, rank: rank, id: id)
  }

  /// The rule of a pair; rank `Int32.max` if there is none.
  @inline(__always)
  func rule(_ left: Int32, _ right: Int32) -> (rank: Int32, id: Int32) {
    let key = Self.key(left, right)
    var index = start(key)
    while true {
      let slot = slots[index]
      if slot.key == key { return (slot.rank, slot.id) }
      if slot.key == Self.empty { return (.max, -1) }
      index = (index + 1) & mask
    }
  }
}
