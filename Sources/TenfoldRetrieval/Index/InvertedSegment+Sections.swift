// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldVectors

extension InvertedSegment {
  /// The segment as sections of a file.
  var sections: [SectionFile.Section] {
    var documentBytes = ByteWriter()
    documentBytes.writeVarint(UInt64(documents.count))
    for document in documents { documentBytes.write(document) }
    for length in lengths { documentBytes.write(length) }
    var termBytes = ByteWriter()
    termBytes.writeVarint(UInt64(terms.count))
    // By place in the postings, so that starts follow from ends.
    for (term, list) in terms.sorted(by: { $0.value.start < $1.value.start }) {
      termBytes.write(term)
      termBytes.writeVarint(UInt64(list.count))
      var previousEnd = list.start
      for block in list.blocks {
        termBytes.writeVarint(UInt64(block.lastDocument))
        termBytes.writeVarint(UInt64(block.highestFrequency))
        termBytes.writeVarint(UInt64(block.end - previousEnd))
        previousEnd = block.end
      }
    }
    return [
      .init("documents", documentBytes.bytes), .init("terms", termBytes.bytes), .init("postings", postings),
    ]
  }

  /// Reads a segment and checks that every posting lies inside it.
  convenience init(number: UInt64, sections: [String: [UInt8]], path: String) throws(SectionFileError) {
    var reader = ByteReader(sections["documents"] ?? [], name: "section documents of \(path)")
    let count = try reader.readCount(each: 12)
    var documents: [UInt64] = []
    var lengths: [UInt32] = []
    documents.reserveCapacity(count)
    lengths.reserveCapacity(count)
    for _ in 0..<count { documents.append(try reader.read(UInt64.self)) }
    for _ in 0..<count { lengths.append(try reader.read(UInt32.self)) }
    guard reader.isAtEnd else { throw reader.malformed("bytes are left over") }

    var postings = ByteReader(sections["postings"] ?? [], name: "section postings of \(path)")
    reader = ByteReader(sections["terms"] ?? [], name: "section terms of \(path)")
    let termCount = try reader.readCount(each: 5)
    var terms: [String: PostingList] = [:]
    terms.reserveCapacity(termCount)
    for _ in 0..<termCount {
      let term = try reader.readText()
      let list = try Self.readList(&reader, &postings, documentCount: count)
      guard terms.updateValue(list, forKey: term) == nil else { throw reader.malformed("a term comes twice") }
    }
    guard reader.isAtEnd, postings.isAtEnd else { throw reader.malformed("bytes are left over") }
    self.init(
      number: number,
      documents: documents,
      lengths: lengths,
      terms: terms,
      postings: postings.bytes
    )
  }

  private static func readList(
    _ reader: inout ByteReader,
    _ postings: inout ByteReader,
    documentCount: Int
  ) throws(SectionFileError) -> PostingList {
    let count = try reader.readVarint()
    guard count >= 1, count <= UInt64(documentCount) else { throw reader.malformed("a list is too long") }
    let start = postings.offset
    var blocks: [PostingList.Block] = []
    var document = -1
    var left = Int(count)
    while left > 0 {
      let last = try reader.readVarint()
      let highest = try reader.readVarint()
      let length = try reader.readVarint()
      let begin = postings.offset
      var found: UInt64 = 0
      for _ in 0..<min(left, PostingList.blockSize) {
        let delta = try postings.readVarint()
        let frequency = try postings.readVarint()
        guard delta >= 1, delta <= UInt64(documentCount - 1 - document) else {
          throw postings.malformed("a document is out of range")
        }
        guard frequency >= 1, frequency <= UInt64(UInt32.max) else {
          throw postings.malformed("a count is out of range")
        }
        document += Int(delta)
        found = max(found, frequency)
      }
      guard last == UInt64(document), highest == found, length == UInt64(postings.offset - begin) else {
        throw reader.malformed("a block does not fit its postings")
      }
      blocks.append(
        .init(lastDocument: UInt32(document), highestFrequency: UInt32(found), end: postings.offset)
      )
      left -= min(left, PostingList.blockSize)
    }
    return PostingList(count: Int(count), start: start, blocks: blocks)
  }
}
