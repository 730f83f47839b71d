// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import TenfoldCore
import TenfoldVectors
import Testing

@Suite("A snapshot of an ExactVectorIndex")
struct VectorSnapshotTests {
  let profile = EmbedderProfile(id: "test", revision: "2", dimension: 5, maxTokens: 9)

  func makeIndex(_ format: ExactVectorIndex.Options.RowFormat, count: UInt64 = 3) throws -> ExactVectorIndex {
    let index = try ExactVectorIndex(profile: profile, options: .init(rowFormat: format))
    try index.add(
      (0..<count).map { IdentifiedVector(id: $0 * 10, values: [1, Float($0), 2, -Float($0), 0.5]) }
    )
    return index
  }

  @Test("finds the same after opening", arguments: ExactVectorIndexTests.formats, [0, 3, 2500] as [UInt64])
  func roundTrip(format: ExactVectorIndex.Options.RowFormat, count: UInt64) async throws {
    let folder = try TestFolder()
    let index = try makeIndex(format, count: count)
    try index.save(to: folder.file("v"))
    let opened = try ExactVectorIndex.open(folder.file("v"), profile: profile)
    #expect(opened.count == Int(count))
    #expect(opened.epoch == index.epoch)
    #expect(opened.options.rowFormat == format)
    let query: [Float] = [0.3, 1, 2, -1, 0]
    let found = try await opened.search(query, limit: 50)
    #expect(found == (try await index.search(query, limit: 50)))
    opened.remove([10])
    #expect(opened.count == max(0, Int(count) - 1))
  }

  @Test("is refused when cut off anywhere", arguments: ExactVectorIndexTests.formats)
  func truncation(format: ExactVectorIndex.Options.RowFormat) throws {
    let folder = try TestFolder()
    try makeIndex(format).save(to: folder.file("v"))
    let bytes = try folder.bytes("v")
    for length in bytes.indices {
      try folder.write(Array(bytes[..<length]), "cut")
      #expect {
        try ExactVectorIndex.open(folder.file("cut"), profile: profile)
      } throws: { ($0 as? VectorIndexError)?.code == .corrupt }
    }
    try folder.write(bytes + [0], "cut")
    #expect(throws: VectorIndexError.self) { try ExactVectorIndex.open(folder.file("cut"), profile: profile) }
  }

  @Test("is refused with any bit of any byte flipped, naming the section")
  func bitFlips() throws {
    let folder = try TestFolder()
    try makeIndex(.int8).save(to: folder.file("v"))
    let bytes = try folder.bytes("v")
    var named: Set<String> = []
    for place in bytes.indices {
      var damaged = bytes
      damaged[place] ^= 1 << UInt8(place % 8)
      try folder.write(damaged, "flipped")
      #expect {
        try ExactVectorIndex.open(folder.file("flipped"), profile: profile)
      } throws: { error in
        guard let error = error as? VectorIndexError else { return false }
        for name in ["header", "table", "ids", "rows", "scales"] where error.message.contains(" \(name) ") {
          named.insert(name)
        }
        return error.code == .corrupt
      }
    }
    #expect(named.isSuperset(of: ["ids", "rows", "scales"]))
  }

  @Test("of another embedder is refused with the hint to index again")
  func modelMismatch() throws {
    let folder = try TestFolder()
    try makeIndex(.float32).save(to: folder.file("v"))
    for other in [
      EmbedderProfile(id: "other", revision: "2", dimension: 5, maxTokens: 9),
      EmbedderProfile(id: "test", revision: "3", dimension: 5, maxTokens: 9),
      EmbedderProfile(id: "test", revision: "2", dimension: 6, maxTokens: 9),
    ] {
      #expect {
        try ExactVectorIndex.open(folder.file("v"), profile: other)
      } throws: { error in
        guard let error = error as? VectorIndexError else { return false }
        return error.code == .modelMismatch && error.message.contains("index the documents again")
          && error.message.contains(other.description) && error.currentModel == other
          && error.indexModel?.revision == "2"
      }
    }
  }

  @Test("of a newer version is refused and left alone")
  func futureFormat() throws {
    let folder = try TestFolder()
    try SectionFile.write(folder.file("v"), magic: "TFVECTOR", version: 2, sections: [])
    let before = try folder.bytes("v")
    #expect {
      try ExactVectorIndex.open(folder.file("v"), profile: profile)
    } throws: { ($0 as? VectorIndexError)?.code == .futureFormat }
    #expect(try folder.bytes("v") == before)
  }

  @Test("that finds no room leaves the one before intact")
  func storageFull() async throws {
    let folder = try TestFolder()
    try makeIndex(.float32).save(to: folder.file("v"))
    let limited = try ExactVectorIndex.open(
      folder.file("v"),
      profile: profile,
      maximumSnapshotSizeInBytes: 1000
    )
    try limited.add((0..<100).map { IdentifiedVector(id: 500 + $0, values: [1, 2, 3, 4, 5]) })
    #expect {
      try limited.save(to: folder.file("v"))
    } throws: { ($0 as? VectorIndexError)?.code == .storageFull }
    #expect(try await limited.search([1, 2, 3, 4, 5], limit: 1).count == 1)
    #expect(try ExactVectorIndex.open(folder.file("v"), profile: profile).count == 3)
  }

  @Test("half-written beside the file does no harm")
  func leftoverTemporary() throws {
    let folder = try TestFolder()
    try makeIndex(.float32).save(to: folder.file("v"))
    try folder.write([1, 2, 3], "v.tmp")
    #expect(try ExactVectorIndex.open(folder.file("v"), profile: profile).count == 3)
    try makeIndex(.float32, count: 4).save(to: folder.file("v"))
    #expect(try ExactVectorIndex.open(folder.file("v"), profile: profile).count == 4)
  }

  @Test("two that are saved under one name at once replace it whole, one after the other")
  func together() async throws {
    let folder = try TestFolder()
    let path = folder.file("v")
    let (small, large) = (try makeIndex(.float32), try makeIndex(.float32, count: 5000))
    try small.save(to: path)
    let profile = profile
    try await withThrowingTaskGroup(of: Void.self) { group in
      for index in [small, large] {
        group.addTask { for _ in 0..<40 { try index.save(to: path) } }
      }
      group.addTask {
        for _ in 0..<40 {
          let count = try ExactVectorIndex.open(path, profile: profile).count
          #expect(count == 3 || count == 5000)
        }
      }
      try await group.waitForAll()
    }
    #expect(!FileManager.default.fileExists(atPath: path + ".tmp"))
  }

  @Test("with a state number that can't be counted on from is refused")
  func lastEpoch() throws {
    let folder = try TestFolder()
    let path = folder.file("v")
    try makeIndex(.float32).save(to: path)
    var sections = try SectionFile.read(path, magic: "TFVECTOR", supportedVersion: 1).sections
    var header = try #require(sections["header"])
    header.replaceSubrange((header.count - 8)..., with: [UInt8](repeating: 0xFF, count: 8))
    sections["header"] = header
    let changed = sections.map { SectionFile.Section($0.key, $0.value) }
    try SectionFile.write(path, magic: "TFVECTOR", version: 1, sections: changed)
    #expect {
      try ExactVectorIndex.open(path, profile: profile)
    } throws: { ($0 as? VectorIndexError)?.code == .corrupt }
  }
}
