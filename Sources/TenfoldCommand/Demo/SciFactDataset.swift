// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Tenfold

/// The SciFact abstracts, claims and labels that come with the demo.
struct SciFactDataset: Sendable {
  struct Claim: Sendable {
    var id: String
    var text: String
    /// Whether its abstract supports it; `nil` where nobody has judged.
    var label: Bool?
  }

  let documents: [IndexedDocument]
  let testClaims: [Claim]
  let trainClaims: [Claim]
  /// Which documents are relevant to which test claim.
  let judgements: [String: [DocumentID: Int]]
  /// The abstract that a labelled claim was judged by.
  let evidence: [String: DocumentID]

  enum LoadError: Error, CustomStringConvertible {
    case missing(String)
    case malformed(String, line: Int)

    var description: String {
      switch self {
      case .missing(let name):
        "The demo's data file scifact/\(name) is missing from the program's resources; build it again with SwiftPM."
      case .malformed(let name, let line):
        "The demo's data file scifact/\(name) is damaged at line \(line); check out the repository again."
      }
    }
  }

  private struct Row: Decodable {
    var id: String
    var title: String?
    var text: String
  }

  /// Reads the data that is bundled with the program.
  init() throws {
    guard let folder = Bundle.module.url(forResource: "scifact", withExtension: nil, subdirectory: "Resources") else {
      throw LoadError.missing("")
    }
    documents = try Self.rows(folder, "corpus.jsonl.gz").map { row in
      IndexedDocument(id: DocumentID(row.id), title: row.title ?? "", text: row.text)
    }
    var judgements: [String: [DocumentID: Int]] = [:]
    for (line, fields) in try Self.table(folder, "qrels-test.tsv") {
      guard fields.count == 3, let grade = Int(fields[2]) else {
        throw LoadError.malformed("qrels-test.tsv", line: line)
      }
      judgements[fields[0], default: [:]][DocumentID(fields[1])] = grade
    }
    self.judgements = judgements
    var labels: [String: Bool] = [:]
    var evidence: [String: DocumentID] = [:]
    var train: Set<String> = []
    for (line, fields) in try Self.table(folder, "labels.tsv") {
      guard fields.count == 4 else { throw LoadError.malformed("labels.tsv", line: line) }
      // A claim with several abstracts keeps the first; the labels of one claim agree but for a few.
      if labels[fields[1]] == nil {
        labels[fields[1]] = fields[3] == "SUPPORT"
        evidence[fields[1]] = DocumentID(fields[2])
      }
      if fields[0] == "train" { train.insert(fields[1]) }
    }
    self.evidence = evidence
    let claims = try Self.rows(folder, "queries.jsonl.gz").map { row in
      Claim(id: row.id, text: row.text, label: labels[row.id])
    }
    testClaims = claims.filter { judgements[$0.id] != nil }
    trainClaims = claims.filter { train.contains($0.id) && $0.label != nil }
  }

  private static func text(_ folder: URL, _ name: String) throws -> String {
    let path = folder.appending(path: name).path
    guard FileManager.default.fileExists(atPath: path) else { throw LoadError.missing(name) }
    let bytes =
      name.hasSuffix(".gz")
      ? try Gzip.decompress(contentsOf: path, limit: 64 << 20)
      : [UInt8](try Data(contentsOf: URL(filePath: path)))
    return String(decoding: bytes, as: UTF8.self)
  }

  private static func rows(_ folder: URL, _ name: String) throws -> [Row] {
    let decoder = JSONDecoder()
    return try text(folder, name).split(separator: "\n").enumerated().map { index, line in
      do {
        return try decoder.decode(Row.self, from: Data(line.utf8))
      } catch {
        throw LoadError.malformed(name, line: index + 1)
      }
    }
  }

  private static func table(_ folder: URL, _ name: String) throws -> [(line: Int, fields: [String])] {
    try text(folder, name).split(separator: "\n").enumerated().dropFirst().map { index, line in
      (index + 1, line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init))
    }
  }
}
