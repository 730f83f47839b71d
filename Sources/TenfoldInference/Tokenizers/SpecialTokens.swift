// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The tokens of a GGUF vocabulary that are looked for before a text is split, and those that mark texts and turns.
struct SpecialTokens: Sendable {
  /// Control tokens and tokens that were added as text; parsed only when asked for.
  private let all: SpecialTokenMatcher
  /// Tokens the model's makers added as text; always parsed.
  private let userDefined: SpecialTokenMatcher
  /// The control tokens by their spelling.
  let controlIDs: [String: Int32]
  /// The id that begins a text, where the file names one.
  let beginningOfSequence: Int32?
  /// Whether prompts begin with it.
  let addsBeginningOfSequence: Bool
  /// The id that ends an answer, where the file names one.
  let endOfSequence: Int32?
  /// The id that ends a turn, where the file names one.
  let endOfTurn: Int32?

  /// Reads the marks of a vocabulary.
  ///
  /// - Parameters:
  ///   - metadata: The file's metadata.
  ///   - kinds: What each token is for.
  ///   - addsBeginning: Whether prompts begin with the first token where the file does not tell.
  ///   - bytes: The spelling of a token.
  init(_ metadata: GGUFMetadata, kinds: [TokenKind], addsBeginning: Bool, bytes: (Int) -> [UInt8]) {
    var added: [(bytes: [UInt8], id: Int32)] = []
    var all: [(bytes: [UInt8], id: Int32)] = []
    var controlIDs: [String: Int32] = [:]
    for (index, kind) in kinds.enumerated() where kind == .control || kind == .unknown || kind == .userDefined
    {
      let (spelling, id) = (bytes(index), Int32(truncatingIfNeeded: index))
      all.append((spelling, id))
      if kind == .userDefined { added.append((spelling, id)) }
      if kind == .control { controlIDs[String(decoding: spelling, as: UTF8.self)] = id }
    }
    func id(_ key: String) -> Int32? {
      metadata["tokenizer.ggml.\(key)_token_id"]?.int.flatMap {
        kinds.indices.contains($0) ? Int32(truncatingIfNeeded: $0) : nil
      }
    }
    self.all = SpecialTokenMatcher(all)
    self.userDefined = SpecialTokenMatcher(added)
    self.controlIDs = controlIDs
    beginningOfSequence = id("bos")
    addsBeginningOfSequence =
      (metadata["tokenizer.ggml.add_bos_token"]?.bool ?? addsBeginning) && beginningOfSequence != nil
    endOfSequence = id("eos")
    endOfTurn = id("eot")
  }

  /// The special tokens in a text, in order; those that only the model may write are left out unless asked for.
  func matches(in text: [UInt8], parsingSpecial: Bool) -> [SpecialTokenMatcher.Match] {
    (parsingSpecial ? all : userDefined).matches(in: text)
  }
}
