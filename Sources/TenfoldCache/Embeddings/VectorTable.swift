// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

/// Vectors by the digests of their texts, as many as there is room for; pure.
///
/// The one used longest ago makes room for a new one.
struct VectorTable {
  /// What is kept of a text beside its vector.
  struct Facts {
    var tokenCount: Int
    var isTruncated: Bool
  }

  private struct Slot {
    var key: ContentDigest
    var facts: Facts
    /// The neighbours in the order of use; -1 at the ends.
    var newer: Int
    var older: Int
  }

  let dimension: Int
  /// The most vectors.
  let capacity: Int
  private var index: [ContentDigest: Int] = [:]
  private var slots: [Slot] = []
  /// `[slots × dimension]`.
  private var values: [Float] = []
  private var newest = -1
  private var oldest = -1

  init(dimension: Int, capacity: Int) {
    self.dimension = dimension
    self.capacity = max(0, capacity)
  }

  var count: Int { slots.count }

  /// The vector of a text, which counts as used now.
  mutating func find(_ key: ContentDigest) -> (vector: ArraySlice<Float>, facts: Facts)? {
    guard let slot = index[key] else { return nil }
    unlink(slot)
    link(slot)
    return (values[slot * dimension..<(slot + 1) * dimension], slots[slot].facts)
  }

  /// Keeps a vector.
  ///
  /// - Returns: Whether another one had to go for it.
  mutating func insert(_ key: ContentDigest, _ vector: ArraySlice<Float>, _ facts: Facts) -> Bool {
    guard capacity > 0, index[key] == nil else { return false }
    let isFull = slots.count >= capacity
    let slot = isFull ? oldest : slots.count
    if isFull {
      index[slots[slot].key] = nil
      unlink(slot)
      slots[slot].key = key
      slots[slot].facts = facts
      values.replaceSubrange(slot * dimension..<(slot + 1) * dimension, with: vector)
    } else {
      slots.append(Slot(key: key, facts: facts, newer: -1, older: -1))
      values.append(contentsOf: vector)
    }
    index[key] = slot
    link(slot)
    return isFull
  }

  mutating func removeAll() {
    self = VectorTable(dimension: dimension, capacity: capacity)
  }

  private mutating func link(_ slot: Int) {
    slots[slot].newer = -1
    slots[slot].older = newest
    if newest >= 0 { slots[newest].newer = slot } else { oldest = slot }
    newest = slot
  }

  private mutating func unlink(_ slot: Int) {
    let (newer, older) = (slots[slot].newer, slots[slot].older)
    if newer >= 0 { slots[newer].older = older } else { newest = older }
    if older >= 0 { slots[older].newer = newer } else { oldest = newer }
  }
}
