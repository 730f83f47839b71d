// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Tenfold

/// Documents that the tokenizer case encodes: those of a file, or made ones.
///
/// The made ones are the same on every machine. Their words come from lists of 20,000, made of syllables; which word comes
/// next follows Zipf's law, as in real text, so that some words are everywhere and most are rare.
struct TokenizerText {
  let name: String
  let documents: [String]

  private static let documentBytes = 4_000
  private static let madeBytes = 1_000_000

  /// The documents of a text file: cut at the first line's end after 4,000 bytes each.
  init(file path: String) throws {
    name = URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent
    var documents: [String] = []
    var document = ""
    for line in try String(contentsOfFile: path, encoding: .utf8).split(
      separator: "\n",
      omittingEmptySubsequences: false
    ) {
      document += line + "\n"
      guard document.utf8.count >= Self.documentBytes else { continue }
      documents.append(document)
      document = ""
    }
    self.documents = documents + (document.isEmpty ? [] : [document])
  }

  private init(_ name: String, seed: UInt64, _ sentence: (inout TokenizerWords) -> String) {
    self.name = name
    var words = TokenizerWords(seed: seed)
    var documents: [String] = []
    for _ in 0..<Self.madeBytes / Self.documentBytes {
      var document = ""
      while document.utf8.count < Self.documentBytes { document += sentence(&words) }
      documents.append(document)
    }
    self.documents = documents
  }

  /// Made prose, source code and mixed writing, 1 MB each.
  static var made: [Self] {
    [
      Self("prose", seed: 1) { $0.sentence() },
      Self("code", seed: 2) { $0.statement() },
      Self("mixed", seed: 3) { $0.mixedSentence() },
    ]
  }
}

/// Words and what is made of them; no two sentences need be alike.
struct TokenizerWords {
  private var generator: SeededGenerator
  private let latin: [String]
  private let german: [String]
  private let cyrillic: [String]

  private static let common = [
    "the", "of", "and", "to", "in", "a", "is", "that", "for", "it", "as", "was", "with", "be", "by", "on",
    "not", "he",
    "his", "but", "at", "are", "this", "have", "from", "or", "had", "an", "they", "which", "one", "you",
    "were", "all",
  ]
  private static let onsets = [
    "b", "c", "d", "f", "g", "h", "l", "m", "n", "p", "r", "s", "t", "v", "w", "st", "tr", "pr", "ch", "sh",
    "gr", "",
  ]
  private static let rimes = [
    "a", "e", "i", "o", "u", "er", "in", "on", "al", "ent", "ar", "ing", "ed", "ion", "ate", "ess", "ous",
    "it", "or",
  ]

  init(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    func list(_ first: [String], _ onsets: [String], _ rimes: [String]) -> [String] {
      first
        + (0..<20_000).map { _ in
          (0..<Int.random(in: 1...4, using: &generator))
            .map { _ in
              (onsets.randomElement(using: &generator) ?? "") + (rimes.randomElement(using: &generator) ?? "")
            }
            .joined()
        }
    }
    latin = list(Self.common, Self.onsets, Self.rimes)
    german = list(
      ["und", "für", "über"],
      Self.onsets + ["schw", "pf"],
      Self.rimes + ["ü", "ö", "ä", "ß", "ung", "keit"]
    )
    cyrillic = list(
      ["и", "в", "не"],
      ["б", "в", "г", "д", "з", "к", "л", "м", "н", "п", "р", "с", "т", "ст", "пр", ""],
      ["а", "е", "и", "о", "у", "я", "ы", "ого", "ить", "ние"]
    )
    self.generator = generator
  }

  /// A place in a list of that many: the n-th comes 1/n as often as the first.
  private mutating func place(_ count: Int) -> Int {
    let share = Double.random(in: 0..<1, using: &generator)
    return min(count - 1, Int(exp(share * log(Double(count) + 1))) - 1)
  }

  private mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &generator) }

  private mutating func word() -> String { latin[place(latin.count)] }

  /// A sentence of prose.
  mutating func sentence() -> String {
    var words = (0..<number(6...24)).map { _ in word() }
    words[0] = words[0].capitalized
    for index in words.indices.dropLast() {
      switch number(0...39) {
      case 0...2: words[index] += ","
      case 3: words[index] = "\(number(1...2_000))"
      case 4: words[index] += "'s"
      case 5: words[index] = "(" + words[index] + ")"
      default: break
      }
    }
    return words.joined(separator: " ") + (number(0...7) == 0 ? ".\n\n" : ". ")
  }

  /// A line of source code.
  mutating func statement() -> String {
    let indent = String(repeating: "    ", count: number(0...3))
    let name = word() + (number(0...1) == 0 ? "_" + word() : word().capitalized)
    switch number(0...5) {
    case 0: return "\(indent)if (\(name) != nil && \(word())[\(number(0...99))] >= 0x\(number(0...255))) {\n"
    case 1: return "\(indent)// \(word()) \(word()) \(word()) the \(word()).\n"
    case 2: return "\(indent)}\n\n"
    case 3:
      return
        "\(indent)let \(name): [\(word().capitalized)] = self.\(word())(\(word()), \(word()): \"\(word())\")\n"
    case 4:
      return
        "\(indent)for (int \(word()) = 0; i < \(name).size(); ++i) \(word())->\(word()) += \(number(0...9)).5;\n"
    default: return "\(indent)return \(name)(\(word()), \(word()) * \(number(1...64)));\n"
    }
  }

  /// A sentence of one of several scripts.
  mutating func mixedSentence() -> String {
    switch number(0...9) {
    case 0...2:
      return (0..<number(6...20)).map { _ in german[place(german.count)] }.joined(separator: " ") + ". "
    case 3...4:
      return (0..<number(6...20)).map { _ in cyrillic[place(cyrillic.count)] }.joined(separator: " ") + ". "
    case 5...7:
      return String((0..<number(8...30)).map { _ in ideograph() }) + (number(0...2) == 0 ? "。\n" : "，")
    case 8: return String((0..<number(1...4)).map { _ in scalar(0x1f600 + number(0...79)) }) + " "
    default: return sentence()
    }
  }

  private mutating func ideograph() -> Character { scalar(0x4e00 + place(5_000) * 7 % 5_000) }

  private func scalar(_ value: Int) -> Character {
    Character(Unicode.Scalar(UInt32(value)) ?? Unicode.Scalar(0x20))
  }
}
