// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import TenfoldCore
import TenfoldRetrieval
import TenfoldStorage

/// The documents, claims and judgements that the demo works on; bundled with the command.
struct SciFactDataset: Sendable {
  /// Whether a document supports or contradicts a claim.
  enum Label: String, Sendable {
    case support = "SUPPORT"
    case contradict = "CONTRADICT"
  }

  /// A claim with its evidence.
  struct Claim: Sendable {
    let id: String
    let text: String
    /// The split that the claim's labels are of, `test` or `train`; `nil` without labels.
    let split: String?
    /// What documents say about the claim; empty where the data set says nothing.
    let labels: [DocumentID: Label]
    /// The documents judged relevant in the test split.
    let relevant: [DocumentID: Int]
  }

  /// The abstracts, in the order of the file; all 5,183 unless taken less.
  private(set) var documents: [IndexedDocument]
  /// All 1,109 claims, in the order of the file.
  let claims: [Claim]

  /// The judgements of the test split, as `RetrievalMetrics` takes them.
  var judgements: [String: [DocumentID: Int]] {
    Dictionary(
      claims.compactMap { $0.relevant.isEmpty ? nil : ($0.id, $0.relevant) },
      uniquingKeysWith: { first, _ in first }
    )
  }

  /// The same claims over fewer documents: those that the test split judges, and then the first of the file.
  ///
  /// - Parameter count: How many documents; no judged one is left out.
  /// - Returns: The smaller data set.
  func limited(to count: Int) -> Self {
    let judged = Set(claims.flatMap(\.relevant.keys))
    var others = max(0, count - documents.count { judged.contains($0.id) })
    var result = self
    result.documents = documents.filter { document in
      if judged.contains(document.id) { return true }
      others -= 1
      return others >= 0
    }
    return result
  }

  /// Reads the bundled files.
  ///
  /// - Throws: When a file is missing or damaged, which a whole build never is.
  init() throws {
    guard let folder = Bundle.module.url(forResource: "scifact", withExtension: nil) else {
      throw CocoaError(.fileNoSuchFile)
    }
    try self.init(folder: folder)
  }

  /// Reads the files in a folder.
  ///
  /// - Parameter folder: Holds `corpus.jsonl.gz`, `queries.jsonl`, `labels.tsv` and `qrels/test.tsv`.
  /// - Throws: When a file is missing or damaged.
  init(folder: URL) throws {
    let corpus = try Gzip.decompress(
      contentsOf: folder.appendingPathComponent("corpus.jsonl.gz").path,
      limit: 64 << 20
    )
    documents = try Self.lines(corpus).map {
      IndexedDocument(id: DocumentID($0.id), title: $0.title ?? "", text: $0.text)
    }
    var labels: [String: [DocumentID: Label]] = [:]
    var splits: [String: String] = [:]
    for cells in try Self.table(folder.appendingPathComponent("labels.tsv"), columns: 4) {
      labels[cells[1], default: [:]][DocumentID(cells[2])] = Label(rawValue: cells[3])
      splits[cells[1]] = cells[0]
    }
    var relevant: [String: [DocumentID: Int]] = [:]
    for cells in try Self.table(folder.appendingPathComponent("qrels/test.tsv"), columns: 3) {
      relevant[cells[0], default: [:]][DocumentID(cells[1])] = Int(cells[2])
    }
    let queries = try Data(contentsOf: folder.appendingPathComponent("queries.jsonl"))
    claims = try Self.lines(Array(queries)).map { line in
      Claim(
        id: line.id,
        text: line.text,
        split: splits[line.id],
        labels: labels[line.id] ?? [:],
        relevant: relevant[line.id] ?? [:]
      )
    }
  }

  // MARK: - Private

  private struct Line: Decodable {
    let id: String
    let title: String?
    let text: String
  }

  private static func lines(_ bytes: [UInt8]) throws -> [Line] {
    let decoder = JSONDecoder()
    return try bytes.split(separator: UInt8(ascii: "\n")).map {
      try decoder.decode(Line.self, from: Data($0))
    }
  }

  /// The rows of a tab-separated file below its heading.
  private static func table(_ file: URL, columns: Int) throws -> [[String]] {
    try String(contentsOf: file, encoding: .utf8).split(separator: "\n").dropFirst().map { line in
      let cells = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
      guard cells.count == columns else { throw CocoaError(.fileReadCorruptFile) }
      return cells
    }
  }
}

extension SciFactDataset.Claim {
  /// What the documents say about the claim when they agree; `nil` without labels or with contrary ones.
  var verdict: SciFactDataset.Label? {
    let said = Set(labels.values)
    return said.count == 1 ? said.first : nil
  }
}
