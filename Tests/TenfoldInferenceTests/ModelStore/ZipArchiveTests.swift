// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import TenfoldInference

@Suite struct ZipArchiveTests {
  private static let name = "pkg/data/part01.bin"
  private static let contents = StoreFixture.bytes(200_000)

  private static func read(
    _ archive: [UInt8],
    _ name: String = ZipArchiveTests.name,
    limit: UInt64 = 1 << 30
  ) throws -> [UInt8] {
    let fixture = try StoreFixture()
    let path = try fixture.write(archive, to: "a.whl")
    var result: [UInt8] = []
    try ZipArchive(path).read(name, limit: limit) { piece in
      for index in 0..<piece.count { result.append(piece[index]) }
    }
    return result
  }

  private static func member(_ change: (inout ZipFixture.Member) -> Void = { _ in }) -> ZipFixture.Member {
    var member = ZipFixture.Member(name: name, contents: contents)
    change(&member)
    return member
  }

  @Test("reads the named member among others", arguments: [UInt16(0), 8], [false, true])
  func reads(method: UInt16, zip64: Bool) throws {
    let other = ZipFixture.Member(name: "pkg/__init__.py", contents: [1, 2, 3])
    let wanted = Self.member {
      $0.method = method
      $0.usesZip64 = zip64
    }
    #expect(try Self.read(ZipFixture.archive([other, wanted, other], zip64End: zip64)) == Self.contents)
  }

  @Test("inflates what a real compressor made")
  func inflates() throws {
    let text = Array(String(repeating: "tenfold ", count: 40).utf8)
    let data: [UInt8] = [43, 73, 205, 75, 203, 207, 73, 81, 40, 25, 165, 201, 162, 1]
    let archive = ZipFixture.archive([ZipFixture.Member(name: "t", contents: text, data: data)])
    #expect(try Self.read(archive, "t") == text)
  }

  @Test(
    "a hostile member is refused",
    arguments: [
      ("symbolic link", member { $0.attributes = 0xa1ff_0000 }),
      ("encrypted", member { $0.flags = 1 }),
      ("inflate more than", member { $0.declaredSize = 900_000_000 }),
      ("more than the", member { $0.declaredSize = 1_000 }),
      ("declares", member { $0.declaredSize = 200_001 }),
      (
        "more than the",
        member {
          $0.declaredSize = .max
          $0.usesZip64 = true
        }
      ),
      ("CRC-32", member { $0.checksum = 7 }),
      ("not supported", member { $0.method = 12 }),
      ("ends", member { $0.declaredCompressed = 100_000_000 }),
      (
        "ends",
        member {
          $0.declaredCompressed = .max
          $0.usesZip64 = true
        }
      ),
      ("ends in the middle", member { $0.declaredCompressed = 1_000 }),
      ("damaged", member { $0.data = Array(repeating: 0xff, count: 500) }),
    ] as [(String, ZipFixture.Member)]
  )
  func hostile(reason: String, member: ZipFixture.Member) throws {
    let error = #expect(throws: ModelError.self) { try Self.read(ZipFixture.archive([member])) }
    #expect(error?.code == .downloadFailed)
    #expect(error?.message.contains(reason) == true, "\(error?.message ?? "")")
  }

  @Test("a name that climbs is never read", arguments: ["../evil", "/etc/passwd", "a/../../b", "a\\b", ""])
  func climbing(name: String) throws {
    let archive = ZipFixture.archive([ZipFixture.Member(name: name, contents: [1])])
    #expect(throws: ModelError.self) { try Self.read(archive, name) }
  }

  @Test("climbing names beside the member are ignored")
  func ignoresOthers() throws {
    let evil = ["../evil", "/etc/x", "a/../../b"].map { ZipFixture.Member(name: $0, contents: [1]) }
    let link = ZipFixture.Member(name: "l", contents: [47], attributes: 0xa1ff_0000)
    #expect(try Self.read(ZipFixture.archive(evil + [link, Self.member()])) == Self.contents)
  }

  @Test("two members of the name are refused, as is none")
  func count() throws {
    #expect(throws: ModelError.self) { try Self.read(ZipFixture.archive([Self.member(), Self.member()])) }
    #expect(throws: ModelError.self) { try Self.read(ZipFixture.archive([])) }
  }

  @Test("more than the caller's limit is refused")
  func limit() throws {
    #expect(throws: ModelError.self) { try Self.read(ZipFixture.archive([Self.member()]), limit: 199_999) }
  }

  @Test("cut at any byte it gives an error, never a trap")
  func truncated() throws {
    let fixture = try StoreFixture()
    let archive = ZipFixture.archive(
      [ZipFixture.Member(name: "n", contents: [1, 2, 3, 4], usesZip64: true)],
      zip64End: true
    )
    for length in 0..<archive.count {
      let path = try fixture.write(Array(archive.prefix(length)), to: "a.whl")
      #expect(throws: ModelError.self, "cut at \(length)") {
        try ZipArchive(path).read("n", limit: 100) { _ in }
      }
    }
  }

  @Test("with any byte changed it gives the contents or an error, never a trap")
  func mutated() throws {
    let fixture = try StoreFixture()
    let contents: [UInt8] = [1, 2, 3, 4]
    let archive = ZipFixture.archive(
      [ZipFixture.Member(name: "n", contents: contents, usesZip64: true)],
      zip64End: true
    )
    for index in archive.indices {
      for value: UInt8 in [0, 1, 0x7f, 0xff] {
        var bytes = archive
        bytes[index] = value
        let path = try fixture.write(bytes, to: "a.whl")
        var result: [UInt8] = []
        do {
          try ZipArchive(path).read("n", limit: 100) { piece in
            for at in 0..<piece.count { result.append(piece[at]) }
          }
          #expect(result == contents, "byte \(index) set to \(value)")
        } catch is ModelError {
          continue
        }
      }
    }
  }
}
