// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Tenfold

/// Searches the text files of a folder by meaning: `ExampleFolderSearch FOLDER QUERY…`.
@main
struct FolderSearch {
  static func main() async throws {
    let arguments = CommandLine.arguments.dropFirst()
    guard let path = arguments.first, arguments.count > 1 else {
      print("usage: ExampleFolderSearch FOLDER QUERY…")
      return
    }
    let folder = URL(fileURLWithPath: path, isDirectory: true)
    let files = try await ModelStore().ensure("all-MiniLM-L6-v2")
    let embedder = try await MiniLMEmbedder.load(
      weightsPath: files.path(of: "model.safetensors"),
      vocabularyPath: files.path(of: "vocab.txt")
    )
    let index = try await SearchIndex.open(
      folder.appendingPathComponent(".tenfold-search").path,
      embedder: embedder
    )
    try await update(index, from: folder)

    let query = arguments.dropFirst().joined(separator: " ")
    let begin = ContinuousClock.now
    let found = try await index.retriever().retrieve(RetrievalQuery(query, limit: 3))
    print("\(found.passages.count) passages in \(begin.duration(to: .now)), by \(found.answeredBy):")
    for (rank, passage) in found.passages.enumerated() {
      print("\(rank + 1). \(passage.document): \(passage.text.prefix(160))")
    }
    await index.close()
    await embedder.shutdown()
  }

  /// Brings the index up to the folder's state: new and changed paragraphs in, vanished ones out.
  static func update(_ index: SearchIndex, from folder: URL) async throws {
    var paragraphs: [IndexedDocument] = []
    for file in try textFiles(in: folder) {
      let text = String(decoding: try Data(contentsOf: folder.appendingPathComponent(file)), as: UTF8.self)
      for (number, paragraph) in Self.paragraphs(of: text).enumerated() {
        let id = DocumentID("\(file)#\(number + 1)")
        paragraphs.append(IndexedDocument(id: id, title: file, text: paragraph))
      }
    }
    // Only what differs is embedded again; that is the slow part.
    var changed: [IndexedDocument] = []
    for paragraph in paragraphs where try await index.document(paragraph.id) != paragraph {
      changed.append(paragraph)
    }
    try await index.add(changed)
    let removed = try await index.remove(try await vanished(from: index, now: paragraphs))
    try await index.commit()
    print("\(index.count) paragraphs, \(changed.count) of them new or changed, \(removed) removed")
  }

  /// The paragraphs that the index has and the folder hasn't any more.
  ///
  /// The list of the last run is kept beside the index.
  static func vanished(
    from index: SearchIndex,
    now paragraphs: [IndexedDocument]
  ) async throws -> [DocumentID] {
    let list = URL(fileURLWithPath: index.directory).appendingPathComponent("paragraphs.json")
    let before = (try? JSONDecoder().decode([DocumentID].self, from: Data(contentsOf: list))) ?? []
    let current = paragraphs.map(\.id)
    try JSONEncoder().encode(current).write(to: list, options: .atomic)
    return Array(Set(before).subtracting(current))
  }

  /// The `.txt` and `.md` files of a folder and its subfolders, hidden ones left out.
  static func textFiles(in folder: URL) throws -> [String] {
    guard let names = FileManager.default.enumerator(atPath: folder.path) else {
      throw CocoaError(.fileReadNoSuchFile, userInfo: [NSFilePathErrorKey: folder.path])
    }
    return names.compactMap { $0 as? String }
      .filter { name in
        let isHidden = name.split(separator: "/").contains { $0.hasPrefix(".") }
        return !isHidden && (name.hasSuffix(".txt") || name.hasSuffix(".md"))
      }
      .sorted()
  }

  /// Texts between empty lines; the encoder reads some 200 words of each.
  static func paragraphs(of text: String) -> [String] {
    var result: [String] = []
    var current: [Substring] = []
    let lines: [Substring] = text.split(separator: "\n", omittingEmptySubsequences: false) + [""]
    for line in lines {
      if line.allSatisfy(\.isWhitespace) {
        if !current.isEmpty { result.append(current.joined(separator: " ")) }
        current = []
      } else {
        current.append(line)
      }
    }
    return result
  }
}
