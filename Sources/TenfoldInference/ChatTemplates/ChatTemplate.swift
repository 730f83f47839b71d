// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// The way a model wants a conversation written, recognised from the template text in its file.
///
/// Only ChatML is read, in the two dialects of SmolLM2 and Qwen, which differ in the system turn they put in
/// front of a conversation that has none. Templates are programs in a template language; running one from a
/// stranger's file is no option, so an unknown one is refused.
///
/// ```swift
/// let template = try ChatTemplate(metadata: file.metadata)
/// let ids = try template.tokens([.user("Hi")], tokenizer: tokenizer)
/// ```
public struct ChatTemplate: Hashable, Sendable {
  /// The system turn's text where the conversation brings none, or `nil` to add no turn.
  public let defaultSystem: String?
  /// Whether tool answers are wrapped in `<tool_response>` inside a user turn.
  let wrapsToolResponses: Bool

  private static let start = "<|im_start|>"
  private static let end = "<|im_end|>"

  /// ChatML, with an own default system turn or none.
  ///
  /// - Parameter defaultSystem: The text of the system turn of a conversation that has none.
  /// - Returns: The template.
  public static func chatML(defaultSystem: String? = nil) -> Self {
    Self(defaultSystem: defaultSystem, wrapsToolResponses: false)
  }

  private init(defaultSystem: String?, wrapsToolResponses: Bool) {
    self.defaultSystem = defaultSystem
    self.wrapsToolResponses = wrapsToolResponses
  }

  /// Recognises the template a GGUF file carries.
  ///
  /// - Parameter metadata: The file's metadata.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/missing`` or ``ModelError/Code/unsupported``.
  public init(metadata: GGUFMetadata) throws(ModelError) {
    try self.init(source: metadata.string(for: "tokenizer.chat_template"))
  }

  /// Recognises a template by its text.
  ///
  /// - Parameter source: The template's source.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/unsupported``.
  public init(source: String) throws(ModelError) {
    // Templates write line breaks inside quotes either plainly or escaped.
    let text = Self.replacing("\\n", with: "\n", in: source)
    guard text.contains(Self.start), text.contains(Self.end),
      text.contains("\(Self.start)assistant\n"), text.contains("role"), text.contains("content")
    else {
      throw ModelError(
        .unsupported,
        """
        The model's chat template is not ChatML, the only one supported. Use a ChatML model (SmolLM2, Qwen), \
        or write the prompt yourself and send it as raw text.
        """
      )
    }
    // What a model is told to begin its turn with belongs to the template, and is not read here.
    let afterwards = Self.components(of: text, separatedBy: "\(Self.start)assistant\n").last ?? ""
    guard let next = afterwards.utf8.first,
      next == UInt8(ascii: "'") || next == UInt8(ascii: "\"")
        || afterwards.hasPrefix("{%")
    else {
      throw ModelError(
        .unsupported,
        """
        The model's chat template puts more into the model's turn than its beginning, which is not supported. \
        Write the prompt yourself and send it as raw text.
        """
      )
    }
    let opening = "\(Self.start)system\n"
    var system: String?
    // Every system turn the template spells out; the default one has literal text up to its end marker.
    for part in Self.components(of: text, separatedBy: opening).dropFirst() {
      guard let first = part.utf8.first, first != UInt8(ascii: "'"), first != UInt8(ascii: "\""),
        let close = Self.components(of: part, separatedBy: Self.end).first,
        close.utf8.count < part.utf8.count,
        !close.contains("{{"), !close.contains("{%")
      else { continue }
      system = close
    }
    defaultSystem = system
    wrapsToolResponses = text.contains("<tool_response>")
  }

  /// Writes a conversation as text; for logs and tests, as control tokens in it can no longer be told from text.
  ///
  /// - Parameters:
  ///   - messages: The conversation, oldest first.
  ///   - addGenerationPrompt: Whether to open the model's turn.
  /// - Returns: The text.
  public func rendered(_ messages: [ChatMessage], addGenerationPrompt: Bool = true) -> String {
    var text = ""
    write(messages, addGenerationPrompt) { piece in
      switch piece {
      case .start: text += Self.start
      case .end: text += Self.end
      case .text(let plain): text += plain
      }
    }
    return text
  }

  /// Writes a conversation as token ids; whatever the messages say stays text.
  ///
  /// - Parameters:
  ///   - messages: The conversation, oldest first.
  ///   - addGenerationPrompt: Whether to open the model's turn.
  ///   - tokenizer: The model's tokenizer.
  /// - Returns: The ids.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/invalidTokenizer`` when the vocabulary lacks ChatML's
  ///   control tokens.
  public func tokens(
    _ messages: [ChatMessage],
    addGenerationPrompt: Bool = true,
    tokenizer: BytePairTokenizer
  ) throws(ModelError) -> [Int32] {
    guard let start = tokenizer.controlToken(Self.start), let end = tokenizer.controlToken(Self.end) else {
      throw ModelError(
        .invalidTokenizer,
        "The vocabulary lacks \(Self.start) or \(Self.end), which the chat template needs; use another model file."
      )
    }
    var ids: [Int32] = []
    var plain = ""
    func flush() {
      if !plain.isEmpty { ids += tokenizer.encode(plain, parsingSpecial: false) }
      plain = ""
    }
    write(messages, addGenerationPrompt) { piece in
      switch piece {
      case .start:
        flush()
        ids.append(start)
      case .end:
        flush()
        ids.append(end)
      case .text(let text):
        plain += text
      }
    }
    flush()
    return ids
  }

  private enum Piece {
    case start
    case end
    case text(String)
  }

  private func write(_ messages: [ChatMessage], _ addGenerationPrompt: Bool, _ put: (Piece) -> Void) {
    func turn(_ role: String, _ content: String) {
      put(.start)
      put(.text("\(role)\n\(content)"))
      put(.end)
      put(.text("\n"))
    }
    if let defaultSystem, let first = messages.first, first.role != .system { turn("system", defaultSystem) }
    for (index, message) in messages.enumerated() {
      guard wrapsToolResponses, message.role == .tool else {
        turn(message.role.rawValue, message.content)
        continue
      }
      // Consecutive tool answers share one user turn.
      if index == 0 || messages[index - 1].role != .tool {
        put(.start)
        put(.text("user"))
      }
      put(.text("\n<tool_response>\n\(message.content)\n</tool_response>"))
      if index + 1 == messages.count || messages[index + 1].role != .tool {
        put(.end)
        put(.text("\n"))
      }
    }
    if addGenerationPrompt {
      put(.start)
      put(.text("assistant\n"))
    }
  }

  // MARK: - Text

  private static func components(of text: String, separatedBy separator: String) -> [String] {
    let bytes = Array(text.utf8)
    let mark = Array(separator.utf8)
    var parts: [String] = []
    var start = 0
    var index = 0
    while index + mark.count <= bytes.count {
      guard bytes[index..<index + mark.count].elementsEqual(mark) else {
        index += 1
        continue
      }
      parts.append(String(decoding: bytes[start..<index], as: UTF8.self))
      index += mark.count
      start = index
    }
    parts.append(String(decoding: bytes[start...], as: UTF8.self))
    return parts
  }

  private static func replacing(_ target: String, with replacement: String, in text: String) -> String {
    components(of: text, separatedBy: target).joined(separator: replacement)
  }
}
