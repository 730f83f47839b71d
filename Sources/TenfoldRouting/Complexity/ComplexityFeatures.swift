// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// What the surface of a request tells about how hard it is; counted in microseconds, without a model.
///
/// ```swift
/// let features = ComplexityFeatures(of: request)
/// features.codeMarks   // 0 for prose
/// ```
public struct ComplexityFeatures: Hashable, Sendable {
  /// Words of the question.
  public var words = 0
  /// Sentences of the question.
  public var sentences = 0
  /// Characters in a word, on average.
  public var meanWordLength = 0.0
  /// Numbers in the question.
  public var numbers = 0
  /// Signs of arithmetic and algebra.
  public var mathMarks = 0
  /// Signs of program text: braces, semicolons, fences, calls.
  public var codeMarks = 0
  /// Words that ask for several steps: why, prove, compare, derive, if … then.
  public var reasoningWords = 0
  /// Words that ask for one thing that can be looked up: who, when, where, define, list.
  public var lookUpWords = 0
  /// Words that restrict the answer: must, exactly, at least, only, without.
  public var constraintWords = 0
  /// Words that deny.
  public var negations = 0
  /// Question marks.
  public var questions = 0
  /// Passages that retrieval attached.
  public var passages = 0
  /// Turns of the conversation.
  public var turns = 0
  /// Whether the answer is one of given choices.
  public var hasChoices = false

  /// The most bytes of a question that are looked at.
  public static let byteLimit = 16 << 10

  /// Counts the features of a request.
  ///
  /// - Parameter request: The request.
  /// - Complexity: O(*n*) in the question's length, of which at most ``byteLimit`` bytes are read.
  public init(of request: InferenceRequest) {
    self.init(question: request.question)
    passages = request.passages.count
    hasChoices = !request.options.choices.isEmpty
    if case .chat(let messages) = request.prompt { turns = messages.count { $0.role != .system } }
  }

  /// Counts the features of a question by itself.
  ///
  /// - Parameter question: The question.
  public init(question: String) {
    var word: [UInt8] = []
    var letters = 0
    var isNumber = false
    var previous: UInt8 = 0
    func isWordByte(_ byte: UInt8) -> Bool {
      (byte >= 0x61 && byte <= 0x7a) || (byte >= 0x30 && byte <= 0x39) || byte >= 0x80 || byte == 0x27
    }
    for raw in question.utf8.prefix(Self.byteLimit) {
      let byte = raw >= 0x41 && raw <= 0x5a ? raw + 32 : raw
      if isWordByte(byte) {
        if word.isEmpty { isNumber = byte >= 0x30 && byte <= 0x39 }
        word.append(byte)
      } else {
        finish(&word, isNumber, &letters)
        switch byte {
        case UInt8(ascii: "."), UInt8(ascii: "!"):
          if previous != byte { sentences += 1 }
        case UInt8(ascii: "?"):
          questions += 1
          sentences += 1
        case UInt8(ascii: "+"), UInt8(ascii: "*"), UInt8(ascii: "/"), UInt8(ascii: "="), UInt8(ascii: "^"),
          UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "%"), UInt8(ascii: "\\"), UInt8(ascii: "$"):
          mathMarks += 1
        case UInt8(ascii: "{"), UInt8(ascii: "}"), UInt8(ascii: ";"), UInt8(ascii: "`"), UInt8(ascii: "["),
          UInt8(ascii: "]"), UInt8(ascii: "_"), UInt8(ascii: "#"):
          codeMarks += 1
        case UInt8(ascii: "("):
          if isWordByte(previous) { codeMarks += 1 }
        default: break
        }
      }
      previous = byte
    }
    finish(&word, isNumber, &letters)
    if words > 0 {
      meanWordLength = Double(letters) / Double(words)
      sentences = max(1, sentences)
    }
  }

  private mutating func finish(_ word: inout [UInt8], _ isNumber: Bool, _ letters: inout Int) {
    guard !word.isEmpty else { return }
    words += 1
    letters += word.count
    if isNumber { numbers += 1 }
    if word.count <= 14 {
      let text = String(decoding: word, as: UTF8.self)
      if Self.reasoning.contains(text) { reasoningWords += 1 }
      if Self.lookUp.contains(text) { lookUpWords += 1 }
      if Self.constraints.contains(text) { constraintWords += 1 }
      if Self.denials.contains(text) || text.hasSuffix("n't") { negations += 1 }
    }
    word.removeAll(keepingCapacity: true)
  }

  private static let reasoning: Set<String> = [
    "why", "prove", "derive", "explain", "compare", "contrast", "analyze", "analyse", "evaluate", "calculate",
    "compute",
    "solve", "determine", "design", "optimize", "implement", "infer", "deduce", "justify", "estimate", "if",
    "suppose",
    "assume", "because", "therefore", "step", "steps", "difference", "relationship", "implies", "cause",
    "effect",
    "probability", "integral", "equation", "theorem", "algorithm", "function", "supported", "refuted",
    "evidence",
  ]
  private static let lookUp: Set<String> = [
    "who", "when", "where", "define", "name", "list", "called", "capital", "born", "meaning", "title", "find",
    "which",
  ]
  private static let constraints: Set<String> = [
    "must", "exactly", "only", "least", "most", "each", "every", "all", "except", "without", "between",
    "both",
  ]
  private static let denials: Set<String> = [
    "not", "no", "never", "none", "neither", "nor", "cannot", "false",
  ]
}
