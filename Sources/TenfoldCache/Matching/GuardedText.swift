// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// A question as the guard sees it: its words, numbers, negations and names.
struct GuardedText {
  /// All words, lower case, in order.
  var words: [String] = []
  /// The words that carry meaning, with their endings cut, in order.
  var content: [String] = []
  /// The numbers, written or spelled, with their signs, and the symbols, sorted.
  var numbers: [String] = []
  /// The operators, the units of money and the like, in order.
  var symbols: [String] = []
  /// How many words deny.
  var negations = 0
  /// The characters of scripts without spaces between words, in order.
  var unspaced: [Character] = []
  /// Lower-cased words that are written as names.
  var names: Set<String> = []

  init(_ text: String) {
    var isSentenceStart = true
    var candidates: [(word: String, isStrong: Bool)] = []
    var capitalised = 0
    for token in Self.tokens(of: text) {
      if let character = token.first, Self.isUnspaced(character) { unspaced.append(character) }
      let isNegative = token.count > 1 && token.hasPrefix(Self.minus)
      let body = isNegative ? token.dropFirst() : token[...]
      guard let first = body.first, first.isLetter || first.isNumber else {
        if token == "." || token == "?" || token == "!" || token == ":" || token == "\n" {
          isSentenceStart = true
        }
        // An operator or a currency sign is part of what is asked.
        if Self.isSymbol(token) { symbols.append(token) }
        continue
      }
      var word = body.lowercased()
      if word.hasSuffix("'s") { word.removeLast(2) }
      if let value = Self.spelledNumbers[word] { word = value }
      if word.contains(where: \.isNumber) {
        // Only the commas of thousands say nothing: "1,5" is one and a half in many languages.
        if Self.hasThousands(word) { word.removeAll { $0 == "," } }
        if isNegative { word = Self.minus + word }
        numbers.append(word)
      }
      let inner = body.dropFirst()
      let isAcronym = inner.contains { $0.isUppercase } || (body.contains { $0.isNumber } && first.isLetter)
      if first.isUppercase { capitalised += 1 }
      if isAcronym || (first.isUppercase && !isSentenceStart && !Self.functionWords.contains(word)) {
        candidates.append((word, isAcronym))
      }
      isSentenceStart = false
      words.append(word)
      let isDenial = Self.denials.contains(word) || word.hasSuffix("n't")
      if isDenial { negations += 1 }
      if !isDenial, !Self.functionWords.contains(word) { content.append(Self.stem(word)) }
    }
    numbers = (numbers + symbols).sorted()
    // In a text all in capitals or in title case a capital says nothing.
    let isTitle = words.count >= 4 && capitalised * 5 >= words.count * 3
    names = Set(candidates.filter { !isTitle || ($0.isStrong && !Self.isShouting(text)) }.map { $0.word })
  }

  private static func isShouting(_ text: String) -> Bool {
    !text.contains { $0.isLowercase }
  }

  /// Whether a character is of a script that puts no spaces between words: ideographs, kana, Thai, Lao, Burmese, Khmer.
  private static func isUnspaced(_ character: Character) -> Bool {
    guard let scalar = character.unicodeScalars.first, scalar.value >= 0x0e00 else { return false }
    switch scalar.value {
    case 0x0e00...0x0eff, 0x1000...0x109f, 0x1780...0x17ff, 0x3040...0x30ff, 0x31f0...0x31ff, 0xff66...0xff9f:
      return true
    default: return scalar.properties.isIdeographic
    }
  }

  /// What a dash is written as where it means a sign or a subtraction.
  private static let minus = "\u{2212}"

  /// Whether a character by itself is an operator, a unit of money, or a mark that makes another name or expression.
  private static func isSymbol(_ token: String) -> Bool {
    "*/%^#&@".contains(token)
      || token.unicodeScalars.contains {
        $0.properties.generalCategory == .mathSymbol || $0.properties.generalCategory == .currencySymbol
      }
  }

  /// Whether a character means a sign or a subtraction.
  ///
  /// Those are the mathematical sign, a dash that begins a number or another expression, and a hyphen with space on both
  /// sides. After a letter or a digit a hyphen only joins.
  private static func isMinus(_ mark: Character, after last: Character, before next: Character) -> Bool {
    if mark == "\u{2212}" { return true }
    guard mark.unicodeScalars.first?.properties.generalCategory == .dashPunctuation, !last.isLetter,
      !last.isNumber
    else { return false }
    if next.isNumber { return true }
    guard mark == "-" || mark == "\u{ff0d}" else { return false }
    return next.isWhitespace ? last.isWhitespace : next != mark
  }

  /// Whether a number is written with commas before each three digits, as in 1,234,567.5.
  private static func hasThousands(_ word: String) -> Bool {
    let parts = word.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
    let groups = parts[0].split(separator: ",", omittingEmptySubsequences: false)
    return groups.count > 1 && (1...3).contains(groups[0].count)
      && groups.dropFirst().allSatisfy { $0.count == 3 }
      && (groups + parts.dropFirst()).allSatisfy { $0.allSatisfy { ("0"..."9").contains($0) } }
  }

  /// Words with their inner apostrophes, points and commas, and numbers with their signs; every other visible character by
  /// itself.
  private static func tokens(of text: String) -> [String] {
    var tokens: [String] = []
    var current = ""
    var characters = Array(text)
    characters.append("\n")
    for (index, character) in characters.enumerated() {
      let mark: Character = character == "’" ? "'" : character
      let next = index + 1 < characters.count ? characters[index + 1] : " "
      let joins =
        !current.isEmpty
        && ((mark == "'" && next.isLetter)
          || ((mark == "." || mark == ",") && next.isNumber && current.last?.isNumber == true))
      if Self.isUnspaced(mark) {
        if !current.isEmpty { tokens.append(current) }
        current = ""
        tokens.append(String(mark))
      } else if mark.isLetter || mark.isNumber || joins {
        current.append(mark)
      } else {
        if !current.isEmpty { tokens.append(current) }
        current = ""
        let last = index > 0 ? characters[index - 1] : " "
        if isMinus(mark, after: last, before: next) {
          if next.isNumber, !last.isLetter, !last.isNumber { current = minus } else { tokens.append(minus) }
        } else if !mark.isWhitespace || mark == "\n" {
          tokens.append(String(mark))
        }
      }
    }
    return tokens
  }

  /// Cuts the endings that change a word's form, not its meaning.
  static func stem(_ word: String) -> String {
    for ending in ["ing", "ies", "es", "ed", "ly", "s"]
    where word.hasSuffix(ending) && word.count - ending.count >= 3 {
      if ending == "s", ["ss", "us", "is"].contains(where: word.hasSuffix) { return word }
      return String(word.dropLast(ending.count))
    }
    return word
  }

  static let denials: Set<String> = [
    "not", "no", "never", "none", "nobody", "nothing", "neither", "nor", "without", "cannot", "cant", "dont",
    "doesnt",
    "isnt", "wont", "except", "avoid", "stop", "unable", "hardly", "non", "excluding",
  ]

  static let functionWords: Set<String> = [
    "a", "an", "the", "is", "are", "was", "were", "be", "been", "am", "do", "does", "did", "can", "could",
    "will",
    "would", "should", "shall", "may", "might", "must", "have", "has", "had", "i", "i'm", "i'd", "i've", "me",
    "my",
    "you", "your", "we", "our", "us", "it", "its", "he", "she", "his", "her", "they", "their", "them", "this",
    "that",
    "these", "those", "there", "of", "in", "on", "at", "to", "for", "by", "with", "from", "into", "about",
    "as", "and",
    "or", "but", "if", "so", "than", "then", "what", "what's", "which", "who", "whom", "whose", "how", "why",
    "when",
    "where", "one", "some", "any", "please", "tell", "give", "way", "thing", "someone", "something", "get",
    "make",
  ]

  static let spelledNumbers: [String: String] = [
    "zero": "0", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8",
    "nine": "9", "ten": "10", "eleven": "11", "twelve": "12", "thirteen": "13", "fourteen": "14",
    "fifteen": "15",
    "sixteen": "16", "seventeen": "17", "eighteen": "18", "nineteen": "19", "twenty": "20", "thirty": "30",
    "forty": "40", "fifty": "50", "sixty": "60", "seventy": "70", "eighty": "80", "ninety": "90",
    "hundred": "100",
    "thousand": "1000", "million": "1000000", "billion": "1000000000", "dozen": "12", "half": "0.5",
    "twice": "2",
  ]

  /// Pairs of words of which one turns the question round.
  static let opposites: [(String, String)] = [
    ("min", "max"), ("minimum", "maximum"), ("least", "most"), ("less", "more"), ("smallest", "largest"),
    ("lowest", "highest"), ("low", "high"), ("small", "large"), ("worst", "best"), ("bad", "good"),
    ("before", "after"),
    ("increase", "decrease"), ("lose", "gain"), ("buy", "sell"), ("open", "close"), ("start", "stop"),
    ("on", "off"),
    ("enable", "disable"), ("install", "uninstall"), ("first", "last"), ("left", "right"), ("up", "down"),
    ("north", "south"), ("east", "west"), ("hot", "cold"), ("win", "lose"), ("legal", "illegal"),
    ("safe", "unsafe"),
    ("possible", "impossible"), ("advantages", "disadvantages"), ("pros", "cons"), ("male", "female"),
    ("man", "woman"), ("men", "women"), ("boy", "girl"), ("boys", "girls"), ("husband", "wife"),
    ("son", "daughter"),
    ("mother", "father"), ("plus", "minus"), ("add", "remove"), ("import", "export"), ("upload", "download"),
    ("encrypt", "decrypt"), ("ascending", "descending"), ("cheap", "expensive"), ("old", "new"),
    ("past", "future"),
    ("true", "false"), ("push", "pull"), ("lend", "borrow"), ("with", "without"), ("rise", "fall"),
    ("older", "younger"),
  ]
}
