// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Trace context as text in a row.
enum TraceText {
  static func encode(_ trace: [String: String]) throws -> String {
    String(decoding: try JSONEncoder().encode(trace), as: UTF8.self)
  }

  /// A trace that can't be read costs the link to its parent span, not the job.
  static func decode(_ text: String?) -> [String: String] {
    guard let text else { return [:] }
    return (try? JSONDecoder().decode([String: String].self, from: Data(text.utf8))) ?? [:]
  }
}

/// A list of texts for `json_each`.
enum TextList {
  static func encode(_ texts: [String]) throws -> String {
    String(decoding: try JSONEncoder().encode(texts), as: UTF8.self)
  }
}
