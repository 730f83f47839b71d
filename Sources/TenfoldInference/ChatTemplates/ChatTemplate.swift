// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// The way a model wants a conversation written, recognised from the template text in its file.
///
/// ChatML is read, in the dialects of SmolLM2 and Qwen, the templates of Llama 2 and of Llama 3 to 3.3, and that of Zephyr
/// and TinyLlama. Templates are programs in a template language; running one from a stranger's file is no option, so an
/// unknown one is refused.
///
/// ```swift
/// let template = try ChatTemplate(metadata: file.metadata)
/// let ids = try template.tokens([.user("Hi")], tokenizer: file.metadata.makeTokenizer())
/// ```
public struct ChatTemplate: Hashable, Sendable {
  private enum Dialect: Hashable, Sendable {
    case chatML(ChatMLDialect)
    case llama3(Llama3Dialect)
    case llama2(Llama2Dialect)
    case zephyr(ZephyrDialect)

    var value: any ChatDialect {
      switch self {
      case .chatML(let dialect): dialect
      case .llama3(let dialect): dialect
      case .llama2(let dialect): dialect
      case .zephyr(let dialect): dialect
      }
    }
  }

  private let dialect: Dialect

  /// ChatML, with an own default system turn or none.
  ///
  /// - Parameter defaultSystem: The text of the system turn of a conversation that has none.
  /// - Returns: The template.
  public static func chatML(defaultSystem: String? = nil) -> Self {
    Self(dialect: .chatML(ChatMLDialect(defaultSystem: defaultSystem)))
  }

  /// Llama 3's template, which adds no system turn and names no dates.
  public static let llama3 = Self(dialect: .llama3(Llama3Dialect()))

  private init(dialect: Dialect) { self.dialect = dialect }

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
    let source = ChatTemplateSource(source)
    if let found = try ChatMLDialect(source) {
      dialect = .chatML(found)
    } else if let found = try Llama3Dialect(source) {
      dialect = .llama3(found)
    } else if let found = try Llama2Dialect(source) {
      dialect = .llama2(found)
    } else if let found = try ZephyrDialect(source) {
      dialect = .zephyr(found)
    } else {
      throw ModelError(
        .unsupported,
        """
        The model's chat template is none of those supported: ChatML (SmolLM2, Qwen), Llama 2, Llama 3 and \
        Zephyr (TinyLlama). Use such a model, or write the prompt yourself and send it as raw text.
        """
      )
    }
  }

  /// The system turn's text where the conversation brings none, or `nil` to add no turn.
  public var defaultSystem: String? {
    switch dialect {
    case .chatML(let dialect): dialect.defaultSystem
    case .llama3(let dialect): dialect.dates
    case .llama2, .zephyr: nil
    }
  }

  /// The control token that ends a turn; `nil` where that is the one that ends an answer.
  var turnEnd: String? { dialect.value.turnEnd }

  /// The text of a message that is certain to be written, wherever it stands.
  func certainText(of message: ChatMessage) -> Substring { dialect.value.certainText(of: message) }

  /// Writes a conversation as text; for logs and tests, as control tokens in it can no longer be told from text.
  ///
  /// - Parameters:
  ///   - messages: The conversation, oldest first.
  ///   - addGenerationPrompt: Whether to open the model's turn.
  /// - Returns: The text.
  public func rendered(_ messages: [ChatMessage], addGenerationPrompt: Bool = true) -> String {
    var result = ""
    dialect.value.write(messages, addGenerationPrompt: addGenerationPrompt) { piece in
      switch piece {
      case .beginning(let text), .ending(let text), .control(let text), .text(let text): result += text
      }
    }
    return result
  }

  /// Writes a conversation as token ids; whatever the messages say stays text.
  ///
  /// The token that begins a text stands first where the template or the tokenizer asks for it.
  ///
  /// - Parameters:
  ///   - messages: The conversation, oldest first.
  ///   - addGenerationPrompt: Whether to open the model's turn.
  ///   - tokenizer: The model's tokenizer.
  /// - Returns: The ids.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/invalidTokenizer`` when the vocabulary lacks a control token
  ///   that the template needs.
  public func tokens(
    _ messages: [ChatMessage],
    addGenerationPrompt: Bool = true,
    tokenizer: any DecoderTokenizer
  ) throws(ModelError) -> [Int32] {
    var ids: [Int32] = []
    var plain = ""
    var missing: String?
    func add(_ control: Int32?, _ spelling: String?) {
      if !plain.isEmpty { ids += tokenizer.encode(plain, parsingSpecial: false) }
      plain = ""
      if let control { ids.append(control) } else if missing == nil { missing = spelling }
    }
    if tokenizer.addsBeginningOfSequence { add(tokenizer.beginningOfSequence, nil) }
    dialect.value.write(messages, addGenerationPrompt: addGenerationPrompt) { piece in
      switch piece {
      case .beginning:
        // Once, though both the tokenizer and the template ask for it.
        if ids.count != 1 || !tokenizer.addsBeginningOfSequence { add(tokenizer.beginningOfSequence, nil) }
      case .ending(let text): add(tokenizer.endOfSequence, text)
      case .control(let text): add(tokenizer.controlToken(text), text)
      case .text(let text): plain += text
      }
    }
    add(nil, nil)
    guard let missing else { return ids }
    throw ModelError(
      .invalidTokenizer,
      "The vocabulary lacks \(missing), which the chat template needs; use another model file."
    )
  }
}
