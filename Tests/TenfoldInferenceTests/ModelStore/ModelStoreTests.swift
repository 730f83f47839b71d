// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization
import Testing

@testable import TenfoldInference

@Suite struct ModelStoreTests {
  private let fixture: StoreFixture
  private let contents = StoreFixture.bytes(50_000)

  init() throws { fixture = try StoreFixture() }

  private var blob: String { "store/blobs/sha256-\(StoreFixture.sha256(contents))" }

  @Test("the built-in manifest is valid and complete")
  func manifest() throws {
    try ModelManifest.builtIn.validate()
    #expect(ModelManifest.builtIn.models.count == 4)
    for model in ModelManifest.builtIn.models {
      #expect(model.licence == "Apache-2.0")
      for file in model.files { #expect(file.size != nil && file.sources.count == 2) }
    }
    let data = try JSONEncoder().encode(ModelManifest.builtIn)
    #expect(try JSONDecoder().decode(ModelManifest.self, from: data) == .builtIn)
  }

  @Test("the environment names folder, hub and offline mode")
  func environment() {
    let options = ModelStore.Options.fromEnvironment([
      "TENFOLD_MODELS": "/models/", "TENFOLD_OFFLINE": "1", "HF_ENDPOINT": "https://hub.example",
      "HF_TOKEN": "t",
    ])
    #expect(options.root == "/models")
    #expect(options.isOffline)
    #expect(options.hubEndpoint == "https://hub.example")
    #expect(options.hubToken == "t")
    #expect(!ModelStore.Options.fromEnvironment(["HOME": "/h", "TENFOLD_OFFLINE": "0"]).isOffline)
    #if os(Linux)
    #expect(ModelStore.Options.fromEnvironment(["HOME": "/h"]).root == "/h/.cache/tenfold/models")
    let own = ModelStore.Options.fromEnvironment(["HOME": "/h", "XDG_CACHE_HOME": "/c"])
    #expect(own.root == "/c/tenfold/models")
    #endif
  }

  @Test("what is missing is named, with the places and the two ways to get it")
  func missing() async throws {
    let store = try fixture.store([StoreFixture.file(contents)])
    let error = await #expect(throws: ModelError.self) { try await store.files(of: "m") }
    #expect(error?.code == .missing)
    for part in [
      "f.bin", "50000", fixture.root + "/store/files/m/f.bin", "tenfold models fetch m",
      "tenfold models add m --file PATH",
    ] { #expect(error?.message.contains(part) == true, "\(part)") }
    let unknown = await #expect(throws: ModelError.self) { try await store.files(of: "x") }
    #expect(unknown?.code == .missing)
  }

  @Test("offline nothing is asked")
  func offline() async throws {
    let contents = contents
    let server = try LoopbackServer { _, _ in .whole(contents) }
    let file = StoreFixture.file(contents, .url(server.address + "/f"), .hub("a/b", path: "f"), .wheels([]))
    let store = try fixture.store([file]) { $0.isOffline = true }
    let error = await #expect(throws: ModelError.self) { try await store.ensure("m") }
    #expect(error?.code == .unavailable)
    #expect(error?.message.contains("TENFOLD_OFFLINE") == true)
    #expect(server.requests.isEmpty)
  }

  @Test("offline a file source still works")
  func fileSource() async throws {
    let path = try fixture.write(contents, to: "own.bin")
    let store = try fixture.store([StoreFixture.file(contents, .file("/nonexistent"), .file(path))]) {
      $0.isOffline = true
    }
    #expect(StoreFixture.read(try await store.ensure("m").path(of: "f.bin")) == contents)
  }

  @Test("a file or a link put there by hand is taken when it is the right one", arguments: [false, true])
  func byHand(isLink: Bool) async throws {
    let place = fixture.root + "/store/files/m/f.bin"
    if isLink {
      let path = try fixture.write(contents, to: "elsewhere.bin")
      _ = try fixture.write([], to: "store/files/m/other")
      try FileManager.default.createSymbolicLink(atPath: place, withDestinationPath: path)
    } else {
      _ = try fixture.write(contents, to: "store/files/m/f.bin")
    }
    let store = try fixture.store([StoreFixture.file(contents)])
    #expect(try await store.files(of: "m").path(of: "f.bin") == place)
    #expect(try await store.ensure("m").path(of: "f.bin") == place)
    #expect(try store.status().first?.isComplete == true)
  }

  @Test("a wrong file put there by hand is refused, and set aside by a fetch")
  func wrongByHand() async throws {
    _ = try fixture.write(StoreFixture.bytes(50_000, seed: 3), to: "store/files/m/f.bin")
    let path = try fixture.write(contents, to: "own.bin")
    let store = try fixture.store([StoreFixture.file(contents, .file(path))])
    let error = await #expect(throws: ModelError.self) { try await store.files(of: "m") }
    #expect(error?.code == .hashMismatch)
    #expect(try await store.verify().map(\.outcome) == [.corrupt])
    #expect(try await StoreFixture.read(store.ensure("m").path(of: "f.bin")) == contents)
    #expect(StoreFixture.read(fixture.root + "/store/files/m/f.bin") == contents)
    #expect(fixture.names("quarantine") == ["m-f.bin"])
  }

  @Test("a blob that changed is noticed at the next opening and healed by a fetch")
  func corrupted() async throws {
    let path = try fixture.write(contents, to: "own.bin")
    let file = StoreFixture.file(contents, .file(path))
    _ = try await fixture.store([file]).ensure("m")
    _ = try fixture.write(StoreFixture.bytes(50_000, seed: 4), to: blob)
    let error = await #expect(throws: ModelError.self) { try await fixture.store([file]).files(of: "m") }
    #expect(error?.code == .hashMismatch)
    #expect(StoreFixture.read(try await fixture.store([file]).ensure("m").path(of: "f.bin")) == contents)
    #expect(fixture.names("quarantine").count == 1)
  }

  @Test("verifying reads every byte and moves a damaged blob away")
  func verifying() async throws {
    let path = try fixture.write(contents, to: "own.bin")
    let store = try fixture.store([StoreFixture.file(contents, .file(path))])
    #expect(try await store.verify().map(\.outcome) == [.missing])
    _ = try await store.ensure("m")
    #expect(try await store.verify(["m"]).map(\.outcome) == [.intact])
    _ = try fixture.write(Array(contents.dropLast()), to: blob)
    #expect(try await store.verify().map(\.outcome) == [.corrupt])
    #expect(fixture.names("blobs").isEmpty && fixture.names("quarantine").count == 1)
    #expect(try await store.verify().map(\.outcome) == [.missing])
  }

  @Test("a verified file is not read again until it changes")
  func marks() throws {
    let path = try fixture.write(contents, to: "a")
    let layout = StoreLayout(root: fixture.root + "/store")
    let stamp = try #require(FileStamp.ofFile(at: path))
    VerifiedMarks(layout: layout).record(stamp, sha256: "ab")
    #expect(VerifiedMarks(layout: layout).covers(stamp, sha256: "ab"))
    #expect(!VerifiedMarks(layout: layout).covers(stamp, sha256: "cd"))
    try FileManager.default.removeItem(atPath: path)
    _ = try fixture.write([1] + contents, to: "a")
    #expect(!VerifiedMarks(layout: layout).covers(try #require(FileStamp.ofFile(at: path)), sha256: "ab"))
  }

  @Test("two that fetch the same file download it once; the second says that it waits")
  func lock() async throws {
    let contents = contents
    let waits = DispatchSemaphore(value: 0)
    let server = try LoopbackServer { _, _ in
      // Answers only when the other one waits.
      waits.wait()
      return .whole(contents)
    }
    let file = StoreFixture.file(contents, .url(server.address + "/f"))
    let first = try fixture.store([file])
    let second = try fixture.store([file])
    let report: @Sendable (ModelFetchEvent) -> Void = { if case .waitingForLock = $0 { waits.signal() } }
    async let one = first.fetch("m", progress: report)
    async let two = second.fetch("m", progress: report)
    #expect(try await one == two)
    #expect(server.requests.count == 1)
  }

  #if os(Linux) || os(macOS)
  @Test("another process's lock is respected")
  func processLock() async throws {
    let path = try fixture.write(contents, to: "own.bin")
    let store = try fixture.store([StoreFixture.file(contents, .file(path))])
    let lockFile = try fixture.write([], to: "store/locks/\(StoreFixture.sha256(contents)).lock")
    let holder = Process()
    holder.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    holder.arguments = [
      "python3", "-c",
      "import fcntl,sys; f=open(sys.argv[1],'r+'); fcntl.flock(f,fcntl.LOCK_EX); print('held',flush=True);"
        + " sys.stdin.read()", lockFile,
    ]
    let (input, output) = (Pipe(), Pipe())
    holder.standardInput = input
    holder.standardOutput = output
    try holder.run()
    guard output.fileHandleForReading.availableData.starts(with: Array("held".utf8)) else { return }
    let log = EventLog()
    let files = try await store.fetch("m") { event in
      log.add(event)
      if case .waitingForLock = event { try? input.fileHandleForWriting.close() }
    }
    #expect(StoreFixture.read(try files.path(of: "f.bin")) == contents)
    guard case .waitingForLock = log.all.first else {
      Issue.record("it did not wait: \(log.all)")
      return
    }
  }
  #endif

  @Test("a clean-up removes what nothing needs and says so")
  func prune() async throws {
    let path = try fixture.write(contents, to: "own.bin")
    let store = try fixture.store([StoreFixture.file(contents, .file(path))])
    _ = try await store.ensure("m")
    _ = try fixture.write([1, 2, 3], to: "store/blobs/sha256-\(String(repeating: "a", count: 64))")
    _ = try fixture.write([1, 2], to: "store/partial/\(String(repeating: "b", count: 64)).part")
    let busy = String(repeating: "c", count: 64)
    _ = try fixture.write([1], to: "store/partial/\(busy).part")
    _ = try fixture.write([1], to: "store/partial/wheels-x/y/z.whl")
    _ = try fixture.write([1], to: "store/quarantine/q")
    let lock = try StoreLock.acquire(fixture.root + "/store/locks/\(busy).lock", CancellationSignal()) {}

    let rehearsal = try await store.prune(dryRun: true)
    #expect(rehearsal.items.count == 4 && rehearsal.size == 7 && !rehearsal.isRemoved)
    #expect(fixture.names("quarantine").count == 1)
    let report = try await store.prune()
    #expect(report.items == rehearsal.items && report.isRemoved)
    #expect(fixture.names("partial") == ["\(busy).part"])
    #expect(fixture.names("quarantine").isEmpty && fixture.names("blobs").count == 1)
    #expect(try await StoreFixture.read(store.files(of: "m").path(of: "f.bin")) == contents)
    withExtendedLifetime(lock) {}
  }

  @Test("a file that can't fit is refused before it is begun")
  func full() async throws {
    let file = ModelFileDescription(
      name: "f.bin",
      size: 1 << 60,
      sha256: StoreFixture.sha256(contents),
      sources: [.file("/dev/null")]
    )
    let error = await #expect(throws: ModelError.self) { try await fixture.store([file]).ensure("m") }
    #expect(error?.code == .storageFull)
    #expect(error?.message.contains("\(1 << 60 as UInt64)") == true)
  }

  @Test("progress grows, reaches the end, and ends with verified")
  func progress() async throws {
    let path = try fixture.write(contents, to: "own.bin")
    let log = EventLog()
    _ = try await fixture.store([StoreFixture.file(contents, .file(path))]).fetch("m") { log.add($0) }
    let steps = log.all.compactMap { event -> UInt64? in
      if case .progress(_, let bytes, _) = event { return bytes }
      return nil
    }
    #expect(steps.last == 50_000 && steps == steps.sorted())
    guard case .verified = log.all.last else {
      Issue.record("\(log.all)")
      return
    }
  }

  @Test("a new model is added from a file and kept in the store's own list")
  func addFile() async throws {
    let path = try fixture.write(contents, to: "own.bin")
    let added = try await fixture.store([]).add("mine", file: path, licence: "MIT")
    #expect(added.sha256 == StoreFixture.sha256(contents) && added.name == "own.bin")
    try FileManager.default.removeItem(atPath: path)
    let files = try await fixture.store([]).files(of: "mine")
    #expect(StoreFixture.read(try files.path(of: "own.bin")) == contents)
    #expect(try fixture.store([]).knownModels()["mine"]?.licence == "MIT")
    #expect(fixture.names("partial").isEmpty)
  }

  @Test("a known model takes the pinned file only")
  func addKnown() async throws {
    let store = try fixture.store([StoreFixture.file(contents)])
    let wrong = try fixture.write(StoreFixture.bytes(50_000, seed: 5), to: "wrong.bin")
    let error = await #expect(throws: ModelError.self) { try await store.add("m", file: wrong) }
    #expect(error?.code == .hashMismatch)
    let right = try fixture.write(contents, to: "right.bin")
    #expect(try await store.add("m", file: right).name == "f.bin")
    #expect(try await StoreFixture.read(store.files(of: "m").path(of: "f.bin")) == contents)
  }

  @Test("an address of one's own is asked first")
  func addAddress() async throws {
    let contents = contents
    let server = try LoopbackServer { _, _ in .whole(contents) }
    let store = try fixture.store([StoreFixture.file(contents, .file("/nonexistent"))])
    try await store.add("m", url: server.address + "/own")
    _ = try await store.ensure("m")
    #expect(server.requests.map(\.path) == ["/own"])
    try await store.add("new", url: server.address + "/n.gguf", sha256: StoreFixture.sha256(contents))
    #expect(StoreFixture.read(try await store.ensure("new").path(of: "n.gguf")) == contents)
  }

  @Test("names that leave the store, plain http and half entries are refused")
  func refusedEntries() async throws {
    let path = try fixture.write(contents, to: "own.bin")
    let store = try fixture.store([])
    for id in ["../x", "", ".", "a/b", "a\u{0}b", String(repeating: "x", count: 129)] {
      let error = await #expect(throws: ModelError.self) { try await store.add(id, file: path) }
      #expect(error?.code == .invalidOption)
    }
    let digest = StoreFixture.sha256(contents)
    for (address, hash) in [
      ("http://a.example/f", digest), ("https://a.example/f", nil), ("https://a.example/f", "12"),
    ] as [(String, String?)] {
      let error = await #expect(throws: ModelError.self) {
        try await store.add("n", url: address, sha256: hash)
      }
      #expect(error?.code == .invalidOption)
    }
  }

  @Test("a damaged list of models is an error that names it")
  func damagedList() throws {
    _ = try fixture.write(Array("{".utf8), to: "store/models.json")
    let error = #expect(throws: ModelError.self) { try fixture.store([]).knownModels() }
    #expect(error?.message.contains("models.json") == true)
  }
}
