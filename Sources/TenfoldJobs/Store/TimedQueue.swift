// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import HeapModule

/// Records in order of a time and then of their ids; what arrives in order costs O(1).
struct TimedQueue {
  struct Entry: Comparable {
    var time: Int64
    var record: JobRecord

    static func < (left: Self, right: Self) -> Bool {
      (left.time, left.record.id) < (right.time, right.record.id)
    }

    static func == (left: Self, right: Self) -> Bool {
      left.time == right.time && left.record === right.record
    }
  }

  /// Sorted from `head` on; what is before it has been taken.
  private var line: [Entry] = []
  private var head = 0
  private static let leastBound = 1024
  private var bound = Self.leastBound
  /// What came out of order.
  private var strays = Heap<Entry>()

  var first: Entry? {
    guard head < line.count else { return strays.min }
    guard let stray = strays.min, stray < line[head] else { return line[head] }
    return stray
  }

  var count: Int { line.count - head + strays.count }

  /// Adds an entry, and drops those that count no more once there are twice as many as the last time.
  ///
  /// What is cancelled leaves its entry behind, which goes when it comes to the front: here where that is far.
  mutating func insert(_ record: JobRecord, at time: Int64, keeping isKept: (Entry) -> Bool) {
    insert(record, at: time)
    guard count >= bound else { return }
    keep(where: isKept)
    bound = max(Self.leastBound, 2 * count)
  }

  /// Drops all entries but some.
  mutating func keep(where isKept: (Entry) -> Bool) {
    line = line[head...].filter(isKept)
    head = 0
    strays = Heap(strays.unordered.filter(isKept))
  }

  mutating func insert(_ record: JobRecord, at time: Int64) {
    let entry = Entry(time: time, record: record)
    if let last = line.last, entry < last { strays.insert(entry) } else { line.append(entry) }
  }

  mutating func removeFirst() {
    guard head < line.count else {
      strays.removeMin()
      return
    }
    if let stray = strays.min, stray < line[head] {
      strays.removeMin()
      return
    }
    head += 1
    if head == line.count {
      line.removeAll(keepingCapacity: line.count <= 4096)
      head = 0
    } else if head >= 4096, head * 2 >= line.count {
      line.removeFirst(head)
      head = 0
    }
  }
}
