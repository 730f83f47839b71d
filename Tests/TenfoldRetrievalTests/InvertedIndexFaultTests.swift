// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import TenfoldRetrieval
import TenfoldVectors
import Testing

@Suite("InvertedIndex on a faulty disk")
struct InvertedIndexFaultTests {
  /// Two segments: numbers 1…3 in the first, 4 in the second.
  func saved() throws -> (folder: TestFolder, index: InvertedIndex) {
    let folder = try TestFolder()
    let index = InvertedIndex()
    try index.add([(number: 1, text: "fever"), (number: 2, text: "fever pain"), (number: 3, text: "bread")])
    try index.add([(number: 4, text: "fever bread")])
    try index.save(to: folder.file("index"))
    return (folder, index)
  }

  @Test("a segment cut anywhere or with any flipped bit is left out by name, the rest can be searched")
  func damagedSegment() async throws {
    let (folder, _) = try saved()
    let bytes = try folder.bytes("index/segment-1")
    var versions = bytes.indices.map { Array(bytes[..<$0]) }
    for place in bytes.indices {
      var damaged = bytes
      damaged[place] ^= 0x10
      versions.append(damaged)
    }
    for version in versions {
      try folder.write(version, "index/segment-1")
      let opened = try #require(try InvertedIndex.open(folder.file("index")))
      #expect(opened.index.damage.count == 1)
      #expect(opened.index.damage.first?.contains("segment-1") == true)
      #expect(opened.index.count == 1)
      #expect { try opened.index.add([(number: 9, text: "x")]) } throws: {
        ($0 as? RetrievalError)?.code == .readOnly
      }
      #expect { try opened.index.save(to: folder.file("index")) } throws: {
        ($0 as? RetrievalError)?.code == .readOnly
      }
    }
    let opened = try #require(try InvertedIndex.open(folder.file("index")))
    #expect(try await opened.index.search("fever", limit: 9).matches.map(\.number) == [4])
    // Nothing was cleaned away: putting the bytes back heals the index.
    try folder.write(bytes, "index/segment-1")
    #expect(try InvertedIndex.open(folder.file("index"))?.index.count == 4)
  }

  @Test("a damaged manifest is refused")
  func damagedManifest() throws {
    let (folder, _) = try saved()
    let bytes = try folder.bytes("index/manifest")
    for place in bytes.indices {
      var damaged = bytes
      damaged[place] ^= 1
      for version in [damaged, Array(bytes[..<place])] {
        try folder.write(version, "index/manifest")
        #expect { try InvertedIndex.open(folder.file("index")) } throws: {
          ($0 as? RetrievalError)?.code == .corrupt
        }
      }
    }
  }

  @Test("a newer format and another analyzer are refused, nothing there is no index")
  func refusals() throws {
    let (folder, _) = try saved()
    #expect {
      try InvertedIndex.open(folder.file("index"), options: .init(analyzer: EnglishAnalyzer(stems: false)))
    } throws: {
      ($0 as? RetrievalError)?.code == .invalidOption
    }
    try SectionFile.write(folder.file("index/manifest"), magic: "TFINVIDX", version: 2, sections: [])
    #expect { try InvertedIndex.open(folder.file("index")) } throws: {
      ($0 as? RetrievalError)?.code == .futureFormat
    }
    let nowhere = try InvertedIndex.open(folder.file("nowhere"))
    #expect(nowhere?.index.count == nil)
  }

  @Test("a crash between the segments and the manifest leaves the state saved before")
  func crashBeforeManifest() throws {
    let (folder, index) = try saved()
    let manifest = try folder.bytes("index/manifest")
    try index.add([(number: 5, text: "salt")])
    try index.save(to: folder.file("index"))
    try folder.write(manifest, "index/manifest")
    try folder.write([1, 2, 3], "index/segment-9.tmp")
    let opened = try #require(try InvertedIndex.open(folder.file("index")))
    #expect(opened.index.count == 4)
    #expect(opened.index.damage.isEmpty)
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.file("index"))
    #expect(names.sorted() == ["manifest", "segment-1", "segment-2"])
    try opened.index.add([(number: 6, text: "yeast")])
    try opened.index.save(to: folder.file("index"))
    #expect(try InvertedIndex.open(folder.file("index"))?.index.count == 5)
  }

  @Test("no room for a save leaves the state saved before and the index in use")
  func storageFull() async throws {
    let folder = try TestFolder()
    let index = InvertedIndex(options: .init(maximumFileSizeInBytes: 400))
    try index.add([(number: 1, text: "fever")])
    try index.save(to: folder.file("index"))
    try index.add([(number: 2, text: (0..<200).map { "word\($0)" }.joined(separator: " "))])
    #expect { try index.save(to: folder.file("index")) } throws: {
      ($0 as? RetrievalError)?.code == .storageFull
    }
    #expect(try await index.search("word7", limit: 1).matches.count == 1)
    #expect(try InvertedIndex.open(folder.file("index"))?.index.count == 1)
  }
}
