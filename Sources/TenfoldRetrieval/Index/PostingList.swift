// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldVectors

/// Which documents hold a term and how often, in blocks of 128, delta-coded.
///
/// A block holds for each document the distance from the one before (from the last of the block before, for its
/// first; from −1 in the first block) and the number of occurrences, both as varints. The block's last document and
/// its highest count stand outside, so that a reader can skip it.
struct PostingList: Sendable {
  static let blockSize = 128

  struct Block: Sendable {
    /// The last document of the block.
    var lastDocument: UInt32
    /// The highest number of occurrences in the block.
    var highestFrequency: UInt32
    /// Where the block ends in the segment's bytes; it starts where the one before ends.
    var end: Int
  }

  /// How many documents hold the term.
  var count: Int
  /// Where the first block starts in the segment's bytes.
  var start: Int
  var blocks: [Block]

  /// Codes postings, in order of documents, onto the end of `bytes`.
  init(documents: [UInt32], frequencies: [UInt32], appendingTo bytes: inout ByteWriter) {
    count = documents.count
    start = bytes.bytes.count
    blocks = []
    var previous = -1
    var index = 0
    while index < documents.count {
      let end = min(index + Self.blockSize, documents.count)
      var highest: UInt32 = 0
      for posting in index..<end {
        bytes.writeVarint(UInt64(Int(documents[posting]) - previous))
        bytes.writeVarint(UInt64(frequencies[posting]))
        previous = Int(documents[posting])
        highest = max(highest, frequencies[posting])
      }
      blocks.append(
        Block(lastDocument: documents[end - 1], highestFrequency: highest, end: bytes.bytes.count)
      )
      index = end
    }
  }

  init(count: Int, start: Int, blocks: [Block]) {
    self.count = count
    self.start = start
    self.blocks = blocks
  }

  /// Where a reader of the list begins.
  var cursor: Cursor { Cursor(offset: start, left: count) }

  /// A place in a list.
  ///
  /// The bytes were checked when the segment was made or opened.
  struct Cursor {
    /// The document at this place, by its place in the segment.
    private(set) var document = -1
    /// How often the document holds the term.
    private(set) var frequency: UInt32 = 0
    private var offset: Int
    private var left: Int

    fileprivate init(offset: Int, left: Int) {
      self.offset = offset
      self.left = left
    }

    /// Moves on to the next document.
    ///
    /// - Parameter bytes: The segment's postings.
    /// - Returns: False at the end of the list.
    @inline(__always)
    mutating func advance(_ bytes: Span<UInt8>) -> Bool {
      guard left > 0 else { return false }
      left &-= 1
      document &+= Int(varint(bytes))
      frequency = varint(bytes)
      return true
    }

    @inline(__always)
    private mutating func varint(_ bytes: Span<UInt8>) -> UInt32 {
      let first = bytes[offset]
      offset &+= 1
      if first < 0x80 { return UInt32(first) }
      var value = UInt32(first & 0x7f)
      var shift: UInt32 = 7
      while offset < bytes.count, shift < 32 {
        let byte = bytes[offset]
        offset &+= 1
        value |= UInt32(byte & 0x7f) << shift
        if byte < 0x80 { break }
        shift &+= 7
      }
      return value
    }
  }
}
