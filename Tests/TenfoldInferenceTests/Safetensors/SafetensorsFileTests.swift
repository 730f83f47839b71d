// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldInference
import Testing

@Suite("Safetensors files")
struct SafetensorsFileTests {
  static let header = """
    {"__metadata__":{"format":"p\\u0074 \\ud83d\\ude00"},"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},\
    "b":{"dtype":"BF16","shape":[1],"data_offsets":[8,10]},"c":{"dtype":"F16","shape":[2],"data_offsets":[10,14]}}
    """
  static let data: [UInt8] = [0, 0, 0x80, 0x3f, 0, 0, 0xc0, 0x7f, 0x80, 0xbf, 0x01, 0x7c, 0x00, 0x3c]

  private func file(_ header: String, _ data: [UInt8]) -> [UInt8] {
    GGUFWriter.bytes(UInt64(header.utf8.count)) + Array(header.utf8) + data
  }

  private func failure(_ header: String, _ count: Int = 8) throws -> ModelError.Code? {
    try withFile(file(header, [UInt8](repeating: 0, count: count))) { path in
      code { _ = try SafetensorsFile(path: path) }
    }
  }

  @Test("give back tensors and metadata, and count what is not a number")
  func reading() throws {
    let opened = try withFile(file(Self.header, Self.data)) { try SafetensorsFile(path: $0) }
    #expect(opened.metadata == ["format": "pt 😀"])
    let a = try opened.tensor(named: "a")
    #expect(a.shape == [2, 1])
    #expect(try a.floats()[0] == 1)
    #expect(try a.floats()[1].isNaN)
    #expect(try opened.tensor(named: "b").floats() == [-1])
    #expect(try opened.tensor(named: "c").floats()[1] == 1)
    #expect(opened.verify().nanCounts == ["a": 1, "c": 1])
    #expect(code { _ = try opened.tensor(named: "d") } == .missing)
  }

  @Test("cut at any byte are refused")
  func truncation() throws {
    let whole = file(Self.header, Self.data)
    for length in 0..<whole.count {
      let found = try withFile(Array(whole[..<length])) { path in code { _ = try SafetensorsFile(path: path) }
      }
      #expect(found == .truncated, "cut at \(length)")
    }
  }

  @Test("with any bytes changed never trap", arguments: [1, 2, 3, 4] as [UInt64])
  func fuzz(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let whole = file(Self.header, Self.data)
    for _ in 0..<500 {
      var bytes = whole
      for _ in 0..<Int.random(in: 1...3, using: &generator) {
        bytes[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8.random(
          in: 0...255,
          using: &generator
        )
      }
      try withFile(bytes) { path in
        do { _ = try SafetensorsFile(path: path).verify() } catch {
          #expect(error is ModelError, "seed \(seed)")
        }
      }
    }
  }

  @Test(
    "with faults are refused by name",
    arguments: [
      (
        #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
        .invalidTensor
      ),
      (
        #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
        .invalidTensor
      ),
      (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, .invalidTensor),
      (#"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#, .invalidTensor),
      (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#, .invalidTensor),
      (#"{"a":{"dtype":"F32","shape":[9223372036854775807,2],"data_offsets":[0,8]}}"#, .invalidTensor),
      (#"{"a":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,8]}}"#, .invalidHeader),
      (#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,8]}}"#, .invalidHeader),
      (#"{"a":{"dtype":"F8_E5M2","shape":[8],"data_offsets":[0,8]}}"#, .unsupported),
      (#"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#, .truncated),
      (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, .invalidHeader),
      (#"{"a":{"dtype":"F32","shape":[2]}}"#, .invalidTensor),
      (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}} x"#, .invalidHeader),
      (#"{"a":{"a":{"a":{"a":[]}}}}"#, .invalidTensor),
      ("[]", .invalidHeader), ("", .invalidHeader), ("{", .invalidHeader),
    ] as [(String, ModelError.Code)]
  )
  func faults(_ header: String, _ expected: ModelError.Code) throws {
    #expect(try failure(header) == expected)
  }

  @Test(
    "whose header claims to be longer than the file are refused",
    arguments: [100, 1 << 40, .max] as [UInt64]
  )
  func headerLength(_ length: UInt64) throws {
    let found = try withFile(GGUFWriter.bytes(length) + [0x7b, 0x7d]) { path in
      code { _ = try SafetensorsFile(path: path) }
    }
    #expect(found == (length == 100 ? .truncated : .invalidHeader))
  }
}
