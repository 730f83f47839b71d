// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Documents in memory, bounded in bytes; pure.
///
/// What is not asked for between two rounds of the hand leaves (the clock algorithm), so that documents read once, by a scan,
/// replace each other and those that are asked for again and again stay.
struct DocumentCache: Sendable {
  private struct Slot: Sendable {
    var number: UInt64
    var document: IndexedDocument
    var size: Int
    /// Whether it was asked for since the hand passed.
    var isUsed = false
  }

  /// The most bytes that documents take, about.
  let limit: Int
  private(set) var size = 0
  private var slots: [Slot?] = []
  private var free: [Int] = []
  private var places: [UInt64: Int] = [:]
  private var hand = 0

  init(limit: Int) { self.limit = limit }

  mutating func find(_ number: UInt64) -> IndexedDocument? {
    guard let place = places[number] else { return nil }
    slots[place]?.isUsed = true
    return slots[place]?.document
  }

  /// Keeps a document that isn't there yet; one that is larger than the limit is left out.
  mutating func add(_ document: IndexedDocument, number: UInt64) {
    let bytes = document.approximateSize
    guard bytes <= limit, places[number] == nil else { return }
    while size + bytes > limit { evict() }
    let slot = Slot(number: number, document: document, size: bytes)
    if let place = free.popLast() {
      slots[place] = slot
      places[number] = place
    } else {
      places[number] = slots.count
      slots.append(slot)
    }
    size += bytes
  }

  mutating func remove(_ number: UInt64) {
    guard let place = places.removeValue(forKey: number), let slot = slots[place] else { return }
    size -= slot.size
    slots[place] = nil
    free.append(place)
  }

  /// Moves the hand on to the first document that was not asked for since it passed, and drops that; there must be one.
  private mutating func evict() {
    while true {
      hand = hand + 1 < slots.count ? hand + 1 : 0
      guard let slot = slots[hand] else { continue }
      guard slot.isUsed else {
        remove(slot.number)
        return
      }
      slots[hand]?.isUsed = false
    }
  }
}

extension IndexedDocument {
  /// What the document takes in memory, about.
  fileprivate var approximateSize: Int {
    metadata.reduce(id.rawValue.utf8.count + title.utf8.count + text.utf8.count + 128) {
      $0 + $1.key.utf8.count + $1.value.utf8.count + 64
    }
  }
}
