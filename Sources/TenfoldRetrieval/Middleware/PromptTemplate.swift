// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// How a question and the passages found for it become a prompt.
///
/// ```swift
/// let template = PromptTemplate { request, passages in
///   .text(passages.map(\.text).joined(separator: "\n") + "\nQ: \(request.question)\nA:")
/// }
/// ```
public struct PromptTemplate: Sendable {
  private let make: @Sendable (InferenceRequest, [RetrievedPassage]) -> InferencePrompt

  /// Creates a template.
  ///
  /// - Parameter render: Makes the prompt of a request and its passages, best first; quick and pure.
  public init(_ render: @escaping @Sendable (InferenceRequest, [RetrievedPassage]) -> InferencePrompt) {
    make = render
  }

  /// The prompt of a request.
  ///
  /// - Parameters:
  ///   - request: The request, its prompt as it came in.
  ///   - passages: The passages, best first.
  /// - Returns: The prompt.
  public func render(_ request: InferenceRequest, _ passages: [RetrievedPassage]) -> InferencePrompt {
    make(request, passages)
  }

  /// Instructions and numbered passages in a system turn before the conversation, or before the text.
  ///
  /// Without passages the prompt stays as it came in. Passages are data: what they say is not an instruction, and
  /// control-token text in them stays text.
  ///
  /// - Parameters:
  ///   - instructions: What the model should do with the passages.
  ///   - budgetInBytes: How long all passages may be together, in UTF-8; the passage that crosses it is cut at a
  ///     character, and the ones after it are left out.
  /// - Returns: The template.
  public static func numberedPassages(
    instructions: String =
      "Answer the question from the passages below. If they don't hold the answer, say so.",
    budgetInBytes: Int = 4000
  ) -> Self {
    Self { request, passages in
      let text = numbered(passages, budgetInBytes: budgetInBytes)
      guard !text.isEmpty else { return request.prompt }
      let system = instructions + "\n\n" + text
      switch request.prompt {
      case .chat(let turns):
        // A template knows one system turn, at the beginning: the host's own stays first in it.
        if let first = turns.first, first.role == .system {
          return .chat([.system(first.content + "\n\n" + system)] + turns.dropFirst())
        }
        return .chat([.system(system)] + turns)
      case .text(let question):
        return .text(system + "\n\n" + question)
      }
    }
  }

  /// Passages with numbers, titles and texts, cut to a budget.
  ///
  /// - Parameters:
  ///   - passages: The passages, best first.
  ///   - budgetInBytes: How long the result may be, in UTF-8.
  /// - Returns: The text; empty if there are no passages or the budget holds nothing of the first.
  public static func numbered(_ passages: [RetrievedPassage], budgetInBytes: Int) -> String {
    var result = ""
    for (index, passage) in passages.enumerated() {
      let head = "[\(index + 1)] " + (passage.title.isEmpty ? "" : passage.title + ". ")
      let separator = result.isEmpty ? "" : "\n"
      let left = budgetInBytes - result.utf8.count - separator.utf8.count - head.utf8.count
      guard left > 0 else { break }
      let text = prefix(of: passage.text, bytes: left)
      guard !text.isEmpty || passage.text.isEmpty else { break }
      result += separator + head + text
      if text.utf8.count < passage.text.utf8.count { break }
    }
    return result
  }

  /// The longest beginning that ends between two characters and is not longer than a number of bytes.
  private static func prefix(of text: String, bytes: Int) -> Substring {
    guard text.utf8.count > bytes else { return text[...] }
    var end = text.startIndex
    var length = 0
    for character in text {
      length += character.utf8.count
      if length > bytes { break }
      end = text.index(after: end)
    }
    return text[..<end]
  }
}
