// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

/// Llama 3's headers; from 3.1 on with a system turn that names two dates.
struct Llama3Dialect: ChatDialect {
  private static let headerStart = "<|start_header_id|>"
  private static let headerEnd = "<|end_header_id|>"
  private static let end = "<|eot_id|>"
  private static let cutting = "Cutting Knowledge Date: "
  private static let today = "Today Date: "

  /// What the first turn begins with, before the conversation's own system text; `nil` for Llama 3.0, which adds none.
  ///
  /// Newer templates ask for the day's date. It is the one the template falls back to here, so that a prompt depends on
  /// its messages alone.
  var dates: String?
  /// Whether messages lose white space at their ends.
  var trims = true
  /// Whether the template itself writes the token that begins a text.
  var writesBeginning = true

  var turnEnd: String? { Self.end }

  init() {}

  init?(_ source: ChatTemplateSource) throws(ModelError) {
    guard source.contains(Self.headerStart), source.contains(Self.headerEnd), source.contains(Self.end) else {
      return nil
    }
    guard source.endsTurnOpening("\(Self.headerStart)assistant\(Self.headerEnd)\n\n") else {
      throw ModelError(
        .unsupported,
        """
        The model's chat template has Llama 3's tokens but doesn't begin the model's turn as Llama 3 does. Write the \
        prompt yourself and send it as raw text.
        """
      )
    }
    trims = source.contains("| trim") || source.contains("|trim")
    writesBeginning = source.contains("bos_token") || source.contains("<|begin_of_text|>")
    guard source.contains(Self.cutting) || source.contains(Self.today) else { return }
    guard let knowledge = source.components(separatedBy: Self.cutting).dropFirst().first,
      let end = knowledge.firstIndex(of: "\n"), let day = try source.literal(of: "date_string"),
      !knowledge[..<end].utf8.contains(where: { ChatTemplateSource.isQuote($0) || $0 == UInt8(ascii: "\\") })
    else {
      throw ModelError(
        .unsupported,
        """
        The dates in the model's chat template could not be read. Write the prompt yourself and send it as raw text.
        """
      )
    }
    dates = "\(Self.cutting)\(knowledge[..<end])\n\(Self.today)\(day)\n\n"
  }

  func write(_ messages: [ChatMessage], addGenerationPrompt: Bool, to put: (ChatPiece) -> Void) {
    func open(_ role: String) {
      put(.control(Self.headerStart))
      put(.text(role))
      put(.control(Self.headerEnd))
    }
    func turn(_ role: String, _ content: some StringProtocol) {
      open(role)
      put(.text("\n\n\(content)"))
      put(.control(Self.end))
    }
    var rest = messages[...]
    if writesBeginning { put(.beginning("<|begin_of_text|>")) }
    if let dates {
      let system = rest.first?.role == .system ? rest.removeFirst().content.trimmed : ""
      turn("system", dates + system)
    }
    for message in rest {
      if dates != nil, message.role == .tool {
        // Those templates write a tool's answer as JSON.
        turn("ipython", JSONDocument.quoted(message.content))
      } else {
        turn(message.role.rawValue, trims ? message.content.trimmed : message.content[...])
      }
    }
    if addGenerationPrompt {
      open("assistant")
      put(.text("\n\n"))
    }
  }
}
