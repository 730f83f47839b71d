// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The golden folder: the one `TENFOLD_GOLDEN` names, else the bundled copy.
enum GoldenData {
  static var folder: URL {
    if let path = ProcessInfo.processInfo.environment["TENFOLD_GOLDEN"] { return URL(fileURLWithPath: path) }
    return Bundle.module.bundleURL.appendingPathComponent("Resources/golden")
  }

  /// The objects of a `.jsonl` file.
  static func lines<Line: Decodable>(_ name: String, as type: Line.Type) throws -> [Line] {
    let data = try Data(contentsOf: folder.appendingPathComponent(name))
    return try data.split(separator: 0x0a).map { try JSONDecoder().decode(type, from: Data($0)) }
  }
}

/// Model files of the development store: `$TENFOLD_MODELS/files/<model>/<file>`.
enum ModelFiles {
  static let smollm2 = "SmolLM2-135M-Instruct/SmolLM2-135M-Instruct.Q4_1.gguf"
  static let qwen = "Qwen2.5-Coder-0.5B-Instruct/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"
  static let miniLMVocabulary = "all-MiniLM-L6-v2/vocab.txt"
  static let miniLM = "all-MiniLM-L6-v2/model.safetensors"

  static func path(_ name: String) -> String {
    (ProcessInfo.processInfo.environment["TENFOLD_MODELS"] ?? "") + "/files/" + name
  }

  /// Whether a test that needs the file runs: it is there, or its absence must be a failure.
  static func canTest(_ name: String) -> Bool {
    ProcessInfo.processInfo.environment["TENFOLD_REQUIRE_MODELS"] == "1"
      || FileManager.default.fileExists(atPath: path(name))
  }
}
