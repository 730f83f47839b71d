// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import TenfoldTestSupport
import Testing

@testable import TenfoldStorage

@Suite("Blobs in files are whole, checked and replaced atomically")
struct FileBlobStoreTests {
  let directory: TemporaryDirectory
  let store: FileBlobStore

  init() throws {
    directory = try TemporaryDirectory()
    store = try FileBlobStore(folder: directory.file("blobs"))
  }

  @Test("what was stored comes back", arguments: [0, 1, 4095, 4096, 1_000_003])
  func roundTrip(size: Int) async throws {
    let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    try await store.put([9], at: BlobKey("a"))
    try await store.put(bytes, at: BlobKey("a"))
    #expect(try await store.get(BlobKey("a")) == bytes)
    #expect(try await store.keys() == [BlobKey("a")])
    try await store.delete(BlobKey("a"))
    try await store.delete(BlobKey("a"))
    #expect(try await store.get(BlobKey("a")) == nil)
  }

  @Test("a folder that can't be made is refused with the system's reason in words")
  func reason() {
    let error = #expect(throws: StorageError.self) { try FileBlobStore(folder: directory.file("a/b/c")) }
    #expect(error?.code == .inputOutput && error?.message.contains("No such file or directory") == true)
  }

  @Test("damage anywhere in the file is noticed", arguments: [0, 5, 8, 11, 12, 19, 20, 60, 119])
  func damage(at offset: Int) async throws {
    try await store.put((0..<100).map { UInt8($0) }, at: BlobKey("b"))
    let url = URL(fileURLWithPath: directory.file("blobs/b"))
    var data = try Data(contentsOf: url)
    data[offset] ^= 0x10
    try data.write(to: url)
    await #expect { _ = try await store.get(BlobKey("b")) } throws: {
      ($0 as? StorageError)?.code == .corrupt
    }
  }

  @Test("a file cut short is noticed", arguments: [0, 7, 19, 20, 119])
  func truncated(to length: Int) async throws {
    try await store.put((0..<100).map { UInt8($0) }, at: BlobKey("b"))
    let url = URL(fileURLWithPath: directory.file("blobs/b"))
    try Data(contentsOf: url).prefix(length).write(to: url)
    await #expect { _ = try await store.get(BlobKey("b")) } throws: {
      ($0 as? StorageError)?.code == .corrupt
    }
  }

  @Test("a file that is larger than it may be is refused before it is read")
  func tooLarge() async throws {
    let key = try BlobKey("b")
    try await store.put([UInt8](repeating: 7, count: 100), at: key)
    #expect(try await store.get(key, limit: 100)?.count == 100)
    // A terabyte that takes no room, and says so of itself.
    let length = UInt64(1) << 40
    let file = try #require(FileHandle(forUpdatingAtPath: directory.file("blobs/b")))
    try file.seek(toOffset: 12)
    try file.write(contentsOf: Data((0..<8).map { UInt8(truncatingIfNeeded: length >> (8 * UInt64($0))) }))
    try file.truncate(atOffset: length + 20)
    try file.close()
    await #expect { _ = try await store.get(key, limit: 1 << 20) } throws: {
      ($0 as? StorageError)?.code == .corrupt
    }
    let catalog = try await SQLiteDatabase.open(.inMemory, schemas: [TieredBlobStore.schema])
    let tiered = try TieredBlobStore(
      catalog: catalog,
      tiers: [BlobTier("hot", store: store)],
      options: .init(makeObjectName: { "object" })
    )
    try await tiered.put([1, 2, 3], at: BlobKey("c"))
    try FileManager.default.removeItem(atPath: directory.file("blobs/object"))
    try FileManager.default.moveItem(
      atPath: directory.file("blobs/b"),
      toPath: directory.file("blobs/object")
    )
    await #expect { _ = try await tiered.get(BlobKey("c")) } throws: {
      ($0 as? StorageError)?.code == .corrupt
    }
    await catalog.close()
  }

  @Test("folders are made with and without a slash at the end", arguments: ["new", "new/", "new//"])
  func newFolders(name: String) async throws {
    for _ in 0..<2 {
      let store = try FileBlobStore(folder: directory.file(name))
      try await store.put([1], at: BlobKey("a"))
      try await store.delete(BlobKey("a"))
      try await store.syncDeletions()
      #expect(try await store.keys() == [])
    }
  }

  @Test("a blob of a newer version is named as such")
  func futureFormat() async throws {
    try Data("TFBLOB02".utf8 + [UInt8](repeating: 0, count: 40))
      .write(to: URL(fileURLWithPath: directory.file("blobs/c")))
    await #expect { _ = try await store.get(BlobKey("c")) } throws: {
      ($0 as? StorageError)?.code == .futureFormat
    }
  }

  @Test("keys can't leave the folder", arguments: ["", ".", "..", "../x", "a/b", ".hidden", "a\u{0}b", "é"])
  func keys(_ key: String) {
    #expect { _ = try BlobKey(key) } throws: { ($0 as? StorageError)?.code == .invalidOption }
  }

  private func files(in folder: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: directory.file(folder)).sorted()
  }

  @Test("keys that differ only in case are different blobs, also where file names are not")
  func ignoredCase() async throws {
    let store = try FileBlobStore(folder: directory.file("case"), ignoresCase: true)
    let long = String(repeating: "Z", count: 200)
    let keys = ["a", "A", "aB", "Ab", "AB", "ab", "Ab-C.7_d", "ab-C.7_D", long, long.lowercased()]
    for (number, key) in keys.enumerated() { try await store.put([UInt8(number)], at: BlobKey(key)) }
    for (number, key) in keys.enumerated() { #expect(try await store.get(BlobKey(key)) == [UInt8(number)]) }
    #expect(try await store.keys().map(\.rawValue) == keys.sorted())
    let files = try files(in: "case")
    #expect(Set(files.map { $0.lowercased() }).count == keys.count)
    #expect(files.allSatisfy { $0.utf8.count <= 255 })
    #expect(files.contains("ab-c.7_d=9") && files.contains("ab-c.7_d=11"))
    try await store.delete(BlobKey("A"))
    #expect(try await store.get(BlobKey("A")) == nil)
    #expect(try await store.get(BlobKey("a")) == [0])
  }

  @Test("a folder keeps its blobs when it comes to a file system that ignores case, and back")
  func movedFolder() async throws {
    let (path, key) = (directory.file("moved"), try BlobKey("Corpus-A"))
    let sensitive = try FileBlobStore(folder: path, ignoresCase: false)
    try await sensitive.put([1], at: key)
    try await sensitive.put([2], at: BlobKey("corpus-b"))
    #expect(try files(in: "moved") == ["Corpus-A", "corpus-b"])
    let ignorant = try FileBlobStore(folder: path, ignoresCase: true)
    #expect(try await ignorant.get(key) == [1])
    #expect(try await ignorant.get(BlobKey("corpus-a")) == nil)
    #expect(try files(in: "moved") == ["corpus-a=81", "corpus-b"])
    #expect(try await sensitive.get(key) == [1])
    try await sensitive.put([3], at: key)
    #expect(try await sensitive.get(key) == [3])
    #expect(try await sensitive.keys().map(\.rawValue) == ["Corpus-A", "corpus-b"])
    try await sensitive.delete(key)
    #expect(try await sensitive.get(key) == nil)
    #expect(try files(in: "moved") == ["corpus-b"])
  }

  @Test("finding out whether a folder ignores case leaves nothing behind")
  func probe() throws {
    #expect(try files(in: "blobs").isEmpty)
  }

  @Test(
    "files that are no blobs are no keys",
    arguments: ["a=", "a=0", "a=80", "a=4", "a=g", "A=8", "a=8=", "=", "=8", "-=8", "a=８", ".a=4"]
  )
  func strangeNames(name: String) async throws {
    try Data([1]).write(to: URL(fileURLWithPath: directory.file("blobs/\(name)")))
    #expect(try await store.keys().isEmpty)
  }

  @Test("leftovers of killed writers are no blobs and can be removed")
  func leftovers() async throws {
    let path = directory.file("blobs/.new-a-1")
    try Data([1]).write(to: URL(fileURLWithPath: path))
    #expect(try await store.keys() == [])
    try await store.removeLeftovers()
    #expect(!FileManager.default.fileExists(atPath: path))
  }

  @Test("leftovers are removed when the folder is opened again", .timeLimit(.minutes(5)))
  func reopened() async throws {
    // A folder that no other store looks through.
    let folder = directory.file("left")
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
    let path = "\(folder)/.new-a-1"
    try Data([1]).write(to: URL(fileURLWithPath: path))
    let again = try FileBlobStore(folder: folder)
    // One of its threads looks for them, sooner or later.
    while FileManager.default.fileExists(atPath: path) { #expect(try await again.keys() == []) }
  }

  @Test("files that somebody writes at the time are no leftovers")
  func writing() async throws {
    let path = directory.file("blobs/a")
    let file = try AtomicFileWriter(path: path, temporaryPrefix: directory.file("blobs/.new-a"))
    try file.append([1, 2])
    try await store.removeLeftovers()
    #expect(try files(in: "blobs").count == 1)
    try file.commit()
    #expect(try Array(Data(contentsOf: URL(fileURLWithPath: path))) == [1, 2])
    #expect(try files(in: "blobs") == ["a"])
  }

  @Test("writers and those who look for leftovers meet without loss", .timeLimit(.minutes(5)))
  func meeting() async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      let other = try FileBlobStore(folder: directory.file("blobs"))
      for number in 0..<4 {
        group.addTask {
          for round in 0..<50 {
            let key = try BlobKey("k\(number)-\(round)")
            try await (number % 2 == 0 ? store : other).put([UInt8(round)], at: key)
          }
        }
      }
      group.addTask {
        for _ in 0..<200 {
          try await DedicatedThread.run(name: "sweeper") {
            try AtomicFileWriter.removeAbandoned(in: directory.file("blobs"), prefix: ".new-")
          }
        }
      }
      try await group.waitForAll()
    }
    #expect(try await store.keys().count == 200)
  }

  @Test("two writers of one file don't meet before the end: the last one's bytes are there, whole")
  func writers() throws {
    let path = directory.file("file")
    let (first, second) = (
      try AtomicFileWriter(path: path, temporaryPrefix: "\(path).partial"),
      try AtomicFileWriter(path: path, temporaryPrefix: "\(path).partial")
    )
    try first.append([1, 1, 1])
    try second.append([2])
    try first.commit()
    #expect(try Array(Data(contentsOf: URL(fileURLWithPath: path))) == [1, 1, 1])
    try second.commit()
    #expect(try Array(Data(contentsOf: URL(fileURLWithPath: path))) == [2])
  }
}
