// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import TenfoldTestSupport
import Testing

@testable import TenfoldInference

@Suite("A model file that changes while it is in use")
struct ReplacedModelTests {
  private let folder: TemporaryDirectory
  private var path: String { folder.file("model.gguf") }

  init() throws {
    folder = try TemporaryDirectory()
    try SyntheticModel().write(to: path)
  }

  private func logits(_ model: DecoderModel) throws -> [Float] {
    let session = try DecoderSession(model, contextLength: 16, threads: 1)
    return try session.evaluate([1, 2, 3]) { logits in logits.indices.map { logits[$0] } }
  }

  /// Puts another model in the file's place, as a model store does.
  private func replace() throws {
    var other = SyntheticModel()
    other.seed = 2
    try other.write(to: folder.file("next"))
    let code = unsafe rename(folder.file("next"), path)
    try #require(code == 0)
  }

  @Test("is the old one for who has loaded it, and the new one for who loads it now")
  func replaced() throws {
    let old = try DecoderModel(GGUFFile(path: path), threads: 1)
    let before = try logits(old)
    try replace()
    let new = try DecoderModel(GGUFFile(path: path), threads: 1)
    #expect(try logits(old) == before)
    #expect(try logits(new) != before)
    #expect(try logits(old) == before)
  }

  @Test("is read to its end by who has opened it")
  func opened() throws {
    let expected = try logits(DecoderModel(GGUFFile(path: path), threads: 1))
    // Mapped, and nothing but the head read.
    let file = try GGUFFile(path: path)
    try replace()
    #expect(try logits(DecoderModel(file, threads: 1)) == expected)
  }

  @Test("is still there for who has loaded it when it is deleted, and a typed error for others")
  func deleted() throws {
    let model = try DecoderModel(GGUFFile(path: path), threads: 1)
    let before = try logits(model)
    try FileManager.default.removeItem(atPath: path)
    #expect(try logits(model) == before)
    #expect { try GGUFFile(path: path) } throws: { ($0 as? ModelError)?.code == .inputOutput }
  }
}
