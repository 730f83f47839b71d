// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import CTenfoldKernels
import Foundation
import TenfoldCore
import TenfoldKernels
import Testing

@testable import TenfoldInference

/// Says whether a value satisfies a schema; written apart from the compiler, for the keywords that the tests use.
enum SchemaOracle {
  static func accepts(_ value: JSONDocument, _ schema: JSONDocument, _ root: JSONDocument) -> Bool {
    if schema == .bool(true) { return true }
    if let reference = schema["$ref"], case .string(let name) = reference {
      let target = name == "#" ? root : root["$defs"]?[String(name.dropFirst(8))]
      return target.map { accepts(value, $0, root) } ?? false
    }
    if let options = schema["anyOf"], case .array(let options) = options {
      return options.contains { accepts(value, $0, root) }
    }
    if let options = schema["enum"], case .array(let options) = options { return options.contains(value) }
    if let constant = schema["const"] { return constant == value }
    guard let type = schema["type"], case .string(let type) = type else { return true }
    func number(_ name: String) -> Int? {
      guard case .number(let text)? = schema[name] else { return nil }
      return Int(text)
    }
    switch (type, value) {
    case ("null", .null), ("boolean", .bool), ("number", .number): return true
    case ("integer", .number(let text)):
      guard let integer = Int(text) else { return false }
      return integer >= number("minimum") ?? .min && integer <= number("maximum") ?? .max
    case ("string", .string(let text)):
      let count = text.unicodeScalars.count
      return count >= number("minLength") ?? 0 && count <= number("maxLength") ?? .max
    case ("array", .array(let values)):
      let items = schema["items"] ?? .bool(true)
      return values.count >= number("minItems") ?? 0 && values.count <= number("maxItems") ?? .max
        && values.allSatisfy { accepts($0, items, root) }
    case ("object", .object(let members)):
      guard case .object(let properties) = schema["properties"] ?? .object([]) else { return false }
      guard case .array(let required) = schema["required"] ?? .array([]) else { return false }
      let names = members.map(\.name)
      let additional = schema["additionalProperties"] ?? .bool(false)
      return required.allSatisfy { name in names.contains { .string($0) == name } }
        && members.allSatisfy { member in
          let own = properties.first { $0.name == member.name }?.value
          return own.map { accepts(member.value, $0, root) }
            ?? (additional != .bool(false) && accepts(member.value, additional, root))
        }
    default: return false
    }
  }
}

/// Makes schemas that can be satisfied.
struct RandomSchema {
  var random: SamplerRandom

  mutating func schema() -> JSONDocument {
    guard case .object(var members) = any(depth: 3) else { return .bool(true) }
    // A list of itself; it can always end.
    let link = JSONDocument.object([.init(name: "$ref", value: .string("#/$defs/list"))])
    let list = object(
      "object",
      [("properties", object(nil, [("next", object(nil, [("anyOf", .array([object("null"), link]))]))]))]
    )
    members.append(.init(name: "$defs", value: .object([.init(name: "list", value: list)])))
    return .object(members)
  }

  private func object(_ type: String?, _ members: [(String, JSONDocument)] = []) -> JSONDocument {
    .object(
      (type.map { [("type", JSONDocument.string($0))] } ?? []).map { .init(name: $0.0, value: $0.1) }
        + members.map { .init(name: $0.0, value: $0.1) }
    )
  }

  private mutating func range(_ low: String, _ high: String, _ limit: Int) -> [(String, JSONDocument)] {
    let first = Int.random(in: 0...limit, using: &random)
    let last = first + Int.random(in: 0...limit, using: &random)
    return [(low, .number("\(first)")), (high, .number("\(last)"))].filter { _ in Bool.random(using: &random)
    }
  }

  private mutating func any(depth: Int) -> JSONDocument {
    switch Int.random(in: 0..<(depth > 0 ? 12 : 7), using: &random) {
    case 0: return object(["null", "boolean", "number"].randomElement(using: &random))
    case 1: return object("integer", range("minimum", "maximum", 500))
    case 2, 3: return object("string", range("minLength", "maxLength", 9))
    case 4: return object(nil, [("enum", .array([.string("é\"\n"), .number("12"), .null]))])
    case 5: return object(nil, [("const", .string("{}"))])
    case 6: return object(nil, [("$ref", .string("#/$defs/list"))])
    case 7: return object(nil, [("anyOf", .array([any(depth: depth - 1), any(depth: depth - 1)]))])
    case 8: return object("array", [("items", any(depth: depth - 1))] + range("minItems", "maxItems", 3))
    default:
      let names = ["a", "name", "na", "über", "b\"c"].shuffled(using: &random).prefix(
        Int.random(in: 0...4, using: &random)
      )
      var properties: [JSONDocument.Member] = []
      for name in names { properties.append(.init(name: name, value: any(depth: depth - 1))) }
      let required = names.filter { _ in Bool.random(using: &random) }.map { JSONDocument.string($0) }
      var members: [(String, JSONDocument)] = [
        ("properties", .object(properties)), ("required", .array(required)),
      ]
      if Int.random(in: 0..<4, using: &random) == 0 {
        members.append(("additionalProperties", any(depth: depth - 1)))
      }
      return object("object", members)
    }
  }
}

@Suite("An answer in a format")
struct TokenConstraintTests {
  /// Says tokens with random logits until the answer ends; nil if a token was not to be had.
  private func answer(
    _ grammar: Grammar,
    maxTokens: Int,
    temperature: Float,
    _ random: inout SamplerRandom
  ) throws -> [Int32] {
    var automaton = StructuredVocabulary.automaton(grammar)
    var constraint = TokenConstraint(automaton, endTokens: [StructuredVocabulary.end]) {
      StructuredVocabulary.pieces[Int($0)]
    }
    let options = try GenerationOptions(temperature: temperature, topK: 40, seed: random.next())
    var sampler = TokenSampler(options: options, seed: 0, prompt: [])
    var tokens: [Int32] = []
    var weights = [Float](repeating: 0, count: StructuredVocabulary.pieces.count)
    while tokens.count < maxTokens, !constraint.isComplete, !constraint.isClosed {
      var logits = weights.indices.map { _ in Float(random.unit()) * 12 }
      let wanted = try unsafe logits.withUnsafeMutableBufferPointer { logits in
        try unsafe weights.withUnsafeMutableBufferPointer { weights in
          try unsafe sampler.next(
            logits,
            weights: weights,
            kernels: tenfold_elementwise_named(InstructionSet.current.name),
            constraint: constraint
          )
        }
      }
      let forced = constraint.forced
      guard let token = try forced ?? constraint.checked(wanted.token, left: maxTokens - tokens.count - 1)
      else {
        break
      }
      #expect(constraint.allows(token))
      sampler.take(token)
      constraint.take(token)
      tokens.append(token)
      if token == StructuredVocabulary.end { break }
      // Now and then everything that was kept is thrown away.
      if Int.random(in: 0..<8, using: &random) == 0 {
        automaton = StructuredVocabulary.automaton(grammar)
        constraint.move(to: automaton)
      }
    }
    return tokens
  }

  @Test("always parses and satisfies its schema, however few tokens it gets", arguments: 0..<120)
  func property(seed: UInt64) throws {
    var maker = RandomSchema(random: SamplerRandom(seed: seed))
    let schema = maker.schema()
    let grammar = try JSONSchemaCompiler.grammar(schema.text)
    let shortest = try CompiledFormat(grammar: grammar, trie: StructuredVocabulary.trie).shortestAnswer
    var random = maker.random
    for temperature in [Float(0), 1] {
      let limit = shortest + Int.random(in: 0...60, using: &random)
      let tokens = try answer(grammar, maxTokens: max(1, limit), temperature: temperature, &random)
      let bytes = StructuredVocabulary.text(tokens)
      #expect(tokens.count <= max(1, limit), "seed \(seed)")
      let text = try #require(String(validating: bytes, as: UTF8.self), "seed \(seed): broken UTF-8")
      let value = try JSONDocument(text, allowsRepeatedNames: true)
      #expect(SchemaOracle.accepts(value, schema, schema), "seed \(seed): \(text) for \(schema.text)")
      _ = try JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)
    }
  }

  /// Compares a mask with what each token's bytes say.
  private func expectExact(
    _ mask: TokenMask,
    of state: Int32,
    in automaton: GrammarAutomaton,
    _ note: String
  ) {
    let wrong = StructuredVocabulary.pieces.indices.filter { token in
      let bytes = StructuredVocabulary.pieces[token]
      let isAllowed = !bytes.isEmpty && automaton.next(state, bytes) != GrammarAutomaton.dead
      return mask.contains(Int32(token)) != isAllowed
    }
    #expect(wrong.isEmpty, "\(note): tokens \(wrong)")
  }

  /// Follows a grammar at random and compares each mask with what the tokens' bytes say.
  ///
  /// - Returns: The number of outlines after each step.
  @discardableResult
  private func follow(
    _ automaton: GrammarAutomaton,
    steps: Int,
    _ random: inout SamplerRandom,
    _ note: String
  ) throws -> [Int] {
    var state = automaton.start()
    var outlines: [Int] = []
    for _ in 0..<steps {
      let mask = try automaton.mask(state)
      outlines.append(automaton.keptMasks.outlines)
      expectExact(mask, of: state, in: automaton, note)
      let allowed = StructuredVocabulary.pieces.indices.filter { mask.contains(Int32($0)) }
      guard let token = allowed.randomElement(using: &random) else { break }
      state = automaton.next(state, StructuredVocabulary.pieces[token])
    }
    return outlines
  }

  @Test("allows exactly the tokens whose bytes the grammar allows", arguments: 0..<30)
  func masks(seed: UInt64) throws {
    var maker = RandomSchema(random: SamplerRandom(seed: seed))
    let grammar = try JSONSchemaCompiler.grammar(maker.schema().text)
    let automaton = StructuredVocabulary.automaton(grammar)
    for walk in 0..<3 { try follow(automaton, steps: 12, &maker.random, "seed \(seed), walk \(walk)") }
  }

  @Test(
    "allows exactly those tokens where rules call themselves, return at once, or say the same twice",
    arguments: [
      #"root ::= item root | item ; item ::= [a-z] | "(" root ")""#,
      #"root ::= pair* ; pair ::= one one ; one ::= [a-c]"#,
      #"root ::= "[" list? "]" ; list ::= root ("," root)* | word ; word ::= [a-z]{1,3}"#,
      #"root ::= a | b ; a ::= "x" a "y" | "z" ; b ::= "x" b "q" | "z""#,
      #"root ::= many ; many ::= letter many | letter ; letter ::= [a-e] | "e" | quoted ; quoted ::= "\"" letter "\"""#,
    ]
  )
  func recursion(rules: String) throws {
    let text = rules.replacing(" ; ", with: "\n")
    let automaton = StructuredVocabulary.automaton(try GrammarText.grammar(text))
    for seed in UInt64(0)..<12 {
      var random = SamplerRandom(seed: seed)
      try follow(automaton, steps: 16, &random, "seed \(seed)")
    }
  }

  @Test("walks through the vocabulary once for each place of a list's items, not for each item")
  func outlines() throws {
    let schema = #"""
      {"type": "array", "minItems": 40, "items": {"type": "object", "properties": {"a": {"type": "string",
        "maxLength": 4}, "b": {"enum": [true, null]}}, "required": ["a", "b"]}}
      """#
    let automaton = StructuredVocabulary.automaton(try JSONSchemaCompiler.grammar(schema))
    var state = automaton.start()
    var counts: [Int] = []
    var states: Set<Int32> = []
    for number in 0..<30 {
      for byte in Array((number == 0 ? "[" : ",").utf8) + Array(#"{"a":"xy","b":null}"#.utf8) {
        state = automaton.next(state, byte)
        try #require(state != GrammarAutomaton.dead)
        states.insert(state)
        expectExact(try automaton.mask(state), of: state, in: automaton, "item \(number)")
      }
      counts.append(automaton.keptMasks.outlines)
    }
    #expect(states.count > 500)
    // Between items each place is another: the list counts them.
    #expect(counts[29] - counts[2] <= 2 * 27, "\(counts)")
    #expect(automaton.keptMasks.whole <= 64)
  }

  @Test("knows the text that has to come, with a space where one may stand")
  func required() throws {
    let schema = #"""
      {"type": "object", "properties": {"name": {"type": "string"}, "kind": {"const": "a b"},
        "size": {"type": "integer"}}, "required": ["name", "kind", "size"], "additionalProperties": false}
      """#
    let automaton = StructuredVocabulary.automaton(try JSONSchemaCompiler.grammar(schema))
    var state = automaton.start()
    func required(after text: String) -> String {
      state = automaton.next(state, Array(text.utf8))
      return String(decoding: automaton.required(state), as: UTF8.self)
    }
    #expect(required(after: "") == #"{"name": ""#)
    #expect(required(after: #"{"na"#) == #"me": ""#)
    #expect(required(after: #"me":"x"#) == "")
    #expect(required(after: "\"") == #", "kind": "a b", "size": "#)
    #expect(required(after: #","kind":"a b","size":"#) == " ")
    #expect(required(after: "-") == "")
    #expect(required(after: "1}") == "")
    // A text without an end is looked at for a while only.
    let endless = StructuredVocabulary.automaton(try GrammarText.grammar(#"root ::= "ab" root | "ac""#))
    #expect(endless.required(endless.start()) == [0x61])
    let long = StructuredVocabulary.automaton(try GrammarText.grammar(#"root ::= "x"{1000}"#))
    #expect(long.required(long.start()).count == GrammarAutomaton.longestRequirement)
  }

  @Test("whatever has to come is allowed", arguments: 0..<60)
  func requiredIsAllowed(seed: UInt64) throws {
    var maker = RandomSchema(random: SamplerRandom(seed: seed))
    let automaton = StructuredVocabulary.automaton(try JSONSchemaCompiler.grammar(maker.schema().text))
    var state = automaton.start()
    for _ in 0..<30 {
      #expect(automaton.next(state, automaton.required(state)) != GrammarAutomaton.dead, "seed \(seed)")
      let mask = try automaton.mask(state)
      let allowed = StructuredVocabulary.pieces.indices.filter { mask.contains(Int32($0)) }
      guard let token = allowed.randomElement(using: &maker.random) else { break }
      state = automaton.next(state, StructuredVocabulary.pieces[token])
    }
  }

  @Test("spells an ending out only where its bytes are more than the tokens that are left")
  func endings() throws {
    let schema = #"{"type": "array", "minItems": 1000, "items": {"type": "integer"}}"#
    let automaton = StructuredVocabulary.automaton(try JSONSchemaCompiler.grammar(schema))
    var constraint = TokenConstraint(automaton, endTokens: [StructuredVocabulary.end]) {
      StructuredVocabulary.pieces[Int($0)]
    }
    // A bracket and items of two bytes each.
    for (index, byte) in "[10,20,3".utf8.enumerated() {
      #expect(try constraint.checked(Int32(byte), left: 2_001) == Int32(byte), "byte \(index)")
      constraint.take(Int32(byte))
    }
    #expect(automaton.completions.isEmpty && automaton.endingBytes == 0)
    let state = automaton.next(automaton.start(), Array("[10,20,30".utf8))
    let count = try #require(automaton.completion(state)).count
    #expect(automaton.endingBytes == 4 * count && !automaton.isLarge)
    #expect(automaton.canEnd(state, within: count) && !automaton.canEnd(state, within: count - 1))
    var closed = constraint
    #expect(try constraint.checked(0x30, left: count) == 0x30)
    #expect(constraint.ending == nil)
    #expect(try closed.checked(0x30, left: count - 1) != 0x30)
    #expect((closed.ending?.count ?? .max) <= count)
    // Enough of them, and the automaton is given up for a fresh one.
    automaton.endingBytes = GrammarAutomaton.largestByteCount
    _ = try automaton.mask(state)
    #expect(automaton.isLarge)
  }

  @Test("follows no way that it could not end where the vocabulary lacks a byte")
  func unspelledEnding() throws {
    // "a" can go on with "é", which has no tokens; its bytes alone would have room.
    let grammar = try GrammarText.grammar(#"root ::= "b" | "aé""#)
    let trie = VocabularyTrie(count: 128) { [UInt8($0)] }
    var constraint = TokenConstraint(GrammarAutomaton(grammar: grammar, trie: trie), endTokens: []) {
      [UInt8($0)]
    }
    #expect(try constraint.checked(0x61, left: 50) == 0x62)
  }

  @Test("keeps the text of the largest logit when that is allowed, without making a mask")
  func greedy() throws {
    let grammar = try JSONSchemaCompiler.grammar(#"{"type": "string"}"#)
    let automaton = StructuredVocabulary.automaton(grammar)
    let constraint = TokenConstraint(automaton, endTokens: []) { StructuredVocabulary.pieces[Int($0)] }
    var sampler = TokenSampler(options: .standard, seed: 0, prompt: [])
    var logits = [Float](repeating: 0, count: StructuredVocabulary.pieces.count)
    logits[0x22] = 2
    logits[Int(UInt8(ascii: "a"))] = 3
    var weights = logits
    func choose() throws -> TokenSampler.Choice {
      try unsafe logits.withUnsafeMutableBufferPointer { logits in
        try unsafe weights.withUnsafeMutableBufferPointer { weights in
          try unsafe sampler.next(
            logits,
            weights: weights,
            kernels: tenfold_elementwise_named(InstructionSet.current.name),
            constraint: constraint
          )
        }
      }
    }
    // The letter is excluded: the quote comes, with the model's own probability.
    let total = logits.reduce(0.0) { $0 + exp(Double($1)) }
    let choice = try choose()
    #expect(choice.token == 0x22 && abs(choice.logProbability - log(exp(2.0) / total)) < 1e-5)
    #expect(logits[Int(UInt8(ascii: "a"))] == -.infinity)
    logits = [Float](repeating: 0, count: logits.count)
    logits[0x22] = 5
    #expect(try choose().token == 0x22)
    #expect(logits.allSatisfy { $0 >= 0 })
  }

  @Test("never takes a token that ends answers for text, whatever bytes the vocabulary gives it")
  func spelledEnds() throws {
    let compiler = FormatCompiler(ASCIIVocabulary(endTokens: [97]))
    let format = try #require(try compiler.compile(.jsonSchema(#"{"type": "string"}"#)))
    let automaton = GrammarAutomaton(
      grammar: format.grammar,
      trie: format.trie,
      startMask: format.startMask
    )
    let mask = try automaton.mask(automaton.next(automaton.start(), 0x22))
    #expect(!mask.contains(97) && mask.contains(98))
    #expect(format.trie.tokens(for: [97]) == nil && format.trie.tokens(for: [98]) == [98])
  }

  @Test("compiles formats apart whose sources are the same characters in other bytes")
  func sourceBytes() throws {
    let compiler = FormatCompiler(ByteVocabulary())
    func accepts(_ text: String, _ schema: String) throws -> Bool {
      let format = try #require(try compiler.compile(.jsonSchema(schema)))
      let automaton = GrammarAutomaton(
        grammar: format.grammar,
        trie: format.trie,
        startMask: format.startMask
      )
      return automaton.next(automaton.start(), Array(text.utf8)) != GrammarAutomaton.dead
    }
    let (composed, decomposed) = ("\"\u{e9}\"", "\"e\u{301}\"")
    for (text, other) in [(composed, decomposed), (decomposed, composed)] {
      let schema = #"{"enum": ["# + text + "]}"
      #expect(try accepts(text, schema))
      #expect(try !accepts(other, schema))
    }
  }

  @Test("keeps no more formats than their size allows")
  func keptFormats() throws {
    let compiler = FormatCompiler(ByteVocabulary())
    var largest = 0
    for length in 0..<12 {
      let schema = ResponseFormat.jsonSchema(#"{"type": "string", "maxLength": \#(60_000 + length)}"#)
      let format = try #require(try compiler.compile(schema))
      largest = max(largest, format.grammar.nodes.count)
      #expect(compiler.keptNodeCount <= 1 << 20)
      // The latest is there.
      #expect(try compiler.compile(schema) === format)
    }
    #expect(12 * largest > 1 << 20 && compiler.keptNodeCount >= largest)
  }

  @Test("splits texts into tokens, and knows what the vocabulary lacks")
  func trie() {
    let trie = VocabularyTrie(count: 6) { [[], [1, 2], [1], [1, 2, 3], [9], [1, 2]][Int($0)] }
    #expect(trie.tokens(for: [1, 2, 3, 1, 2, 9, 1]) == [3, 1, 4, 2])
    #expect(trie.tokens(for: [2]) == nil && trie.tokens(for: []) == [])
    let empty = VocabularyTrie(count: 2) { _ in [] }
    #expect(empty.tokens(for: [1]) == nil && empty.bytes.isEmpty)
  }

  @Test("is in few places at once with ordinary schemas, and may be in many more")
  func placeCounts() throws {
    var most = 0
    for item in JSONSchemaCompilerTests.cases {
      let automaton = StructuredVocabulary.automaton(try JSONSchemaCompiler.grammar(item.schema))
      for text in item.good {
        var state = automaton.start()
        for byte in text.utf8 {
          most = max(most, automaton.placeCount(of: state))
          state = automaton.next(state, byte)
        }
      }
    }
    for seed in UInt64(0)..<40 {
      var maker = RandomSchema(random: SamplerRandom(seed: seed))
      let automaton = StructuredVocabulary.automaton(try JSONSchemaCompiler.grammar(maker.schema().text))
      var state = automaton.start()
      for _ in 0..<30 {
        most = max(most, automaton.placeCount(of: state))
        let mask = try automaton.mask(state)
        let allowed = StructuredVocabulary.pieces.indices.filter { mask.contains(Int32($0)) }
        guard let token = allowed.randomElement(using: &maker.random) else { break }
        state = automaton.next(state, StructuredVocabulary.pieces[token])
      }
    }
    #expect(most < 100, "\(most)")
    #expect(GrammarAutomaton.largestState > 300 * most)
  }

  @Test("chooses among thousands of values, and writes an object of hundreds of members")
  func largeSchemas() throws {
    let values = (0..<5_000).map { #""value \#($0)""# }.joined(separator: ",")
    let list = try CompiledFormat(
      grammar: JSONSchemaCompiler.grammar(#"{"type": "array", "items": {"enum": [\#(values)]}}"#),
      trie: StructuredVocabulary.trie
    )
    let members = (0..<300).map { #""member \#($0)": {"type": "integer"}"# }.joined(separator: ",")
    let object = try CompiledFormat(
      grammar: JSONSchemaCompiler.grammar(#"{"type": "object", "properties": {\#(members)}}"#),
      trie: StructuredVocabulary.trie
    )
    for (format, text) in [
      (list, #"["value 4999", "value 0"]"#), (object, #"{"member 7": 1, "member 299": -5}"#),
    ] {
      let automaton = GrammarAutomaton(
        grammar: format.grammar,
        trie: format.trie,
        startMask: format.startMask
      )
      var state = automaton.start()
      for byte in text.utf8 {
        #expect(try automaton.mask(state).contains(Int32(byte)))
        state = automaton.next(state, byte)
        try #require(state != GrammarAutomaton.dead && !automaton.isTooLarge(state))
      }
      #expect(automaton.accepts(state))
    }
  }

  @Test("refuses a format whose beginning takes too much work")
  func heavyBeginning() throws {
    // Tokens as in a real vocabulary go many bytes deep; each of them leads to thousands of places.
    let printable = (0x20...0x7E).map { UInt8($0) }
    let pieces = (0..<16).flatMap { depth in
      printable.map { [UInt8](repeating: 0x78, count: depth) + [$0] }
    }
    let trie = VocabularyTrie(count: pieces.count) { pieces[Int($0)] }
    func code(_ count: Int, of alternative: String) throws -> RequestError.Code? {
      let text = "root ::= " + Array(repeating: alternative, count: count).joined(separator: " | ")
      let grammar = try GrammarText.grammar(text)
      do {
        _ = try CompiledFormat(grammar: grammar, trie: trie)
        return nil
      } catch {
        return error.code
      }
    }
    #expect(try code(7_000, of: "[ -~]{16}") == .unsupportedFormat)
    #expect(try code(GrammarAutomaton.largestState, of: #""x""#) == .unsupportedFormat)
    #expect(try code(100, of: "[ -~]{16}") == nil)
  }

  @Test("fails only where it comes to too many places, and not before")
  func tooManyPlaces() throws {
    let many = Array(repeating: #""x""#, count: GrammarAutomaton.largestState).joined(separator: " | ")
    let grammar = try GrammarText.grammar(#"root ::= "b" | "a" ("# + many + ")")
    let format = try CompiledFormat(grammar: grammar, trie: StructuredVocabulary.trie)
    let (a, b) = (Int32(0x61), Int32(0x62))
    var constraint = TokenConstraint(
      GrammarAutomaton(grammar: grammar, trie: format.trie, startMask: format.startMask),
      endTokens: [StructuredVocabulary.end]
    ) { StructuredVocabulary.pieces[Int($0)] }
    #expect(constraint.allows(a) && constraint.allows(b) && !constraint.allows(0x63))
    let error = #expect(throws: RequestError.self) { try constraint.checked(a, left: 9) }
    #expect(error?.code == .unsupportedFormat)
    #expect(try constraint.checked(b, left: 9) == b)
    // One that is there all the same ends neither well nor with a trap.
    var lost = constraint
    lost.take(a)
    #expect(!lost.isComplete && lost.allowedEnds.isEmpty && lost.requiredText.isEmpty)
    #expect(throws: RequestError.self) { try lost.mask }
    #expect(throws: RequestError.self) { try lost.checked(0x78, left: 9) }
    constraint.take(b)
    #expect(constraint.isComplete)
  }

  @Test("refuses a format that the vocabulary can't spell")
  func missingTokens() throws {
    let trie = VocabularyTrie(count: 128) { [UInt8($0)] }
    let grammar = try JSONSchemaCompiler.grammar(#"{"const": "é"}"#)
    let error = #expect(throws: RequestError.self) { try CompiledFormat(grammar: grammar, trie: trie) }
    #expect(error?.code == .unsatisfiableFormat)
  }
}

@Suite("An answer's work on its format")
struct FormatBudgetTests {
  /// A step of the engine without a model: a token of random logits; `nil` at the answer's end.
  private func step(
    _ sequence: inout EngineSequence,
    _ random: inout SamplerRandom
  ) throws -> Int32? {
    var logits = (0..<128).map { _ in Float(random.unit()) * 4 }
    var weights = logits
    let choice = try unsafe logits.withUnsafeMutableBufferPointer { logits in
      try unsafe weights.withUnsafeMutableBufferPointer { weights in
        try unsafe sequence.choose(
          logits,
          weights: weights,
          kernels: tenfold_elementwise_named(InstructionSet.current.name),
          contextLength: 10_000
        )
      }
    }
    guard let choice else { return nil }
    return sequence.take(choice, endTokens: [127], contextLength: 10_000) == nil ? choice.token : nil
  }

  private func makeSequence(
    _ schema: String,
    maxTokens: Int,
    budget: FormatBudget
  ) throws -> (EngineSequence, GrammarAutomaton, GenerationStream) {
    let vocabulary = ASCIIVocabulary()
    let format = try CompiledFormat(
      grammar: JSONSchemaCompiler.grammar(schema),
      trie: VocabularyTrie(count: vocabulary.count) { vocabulary.bytes(of: $0) }
    )
    // Room for all pieces, as nobody reads them.
    let (stream, continuation) = GenerationStream.makeStream(bufferLimit: maxTokens + 8)
    let request = EngineRequest(
      id: 1,
      prompt: [1],
      options: try GenerationOptions(maxTokens: maxTokens, temperature: 1),
      context: RequestContext(tenant: "test"),
      documents: [],
      format: format,
      stop: StopMatcher([]),
      seed: 1,
      arrival: .now,
      continuation: continuation
    )
    let automaton = GrammarAutomaton(
      grammar: format.grammar,
      trie: format.trie,
      startMask: format.startMask
    )
    var sequence = EngineSequence(request, vocabulary: vocabulary, formatBudget: budget)
    sequence.start(cached: 0) { _ in automaton }
    return (sequence, automaton, stream)
  }

  private static let list = #"""
    {"type": "array", "minItems": 400, "items": {"type": "string", "minLength": 9}}
    """#

  @Test("ends an answer that causes more than it has, and no other", arguments: 0..<4)
  func budget(seed: UInt64) throws {
    func failure(_ budget: FormatBudget) throws -> RequestError.Code? {
      var random = SamplerRandom(seed: seed)
      let (first, _, stream) = try makeSequence(Self.list, maxTokens: 6_000, budget: budget)
      var sequence = first
      return try withExtendedLifetime(stream) {
        for _ in 0..<100 {
          do {
            guard try step(&sequence, &random) != nil else { return nil }
          } catch let error as RequestError {
            return error.code
          }
        }
        return nil
      }
    }
    #expect(try failure(FormatBudget(limit: 2_000)) == .unsupportedFormat, "seed \(seed)")
    #expect(try failure(FormatBudget()) == nil, "seed \(seed)")
  }

  @Test("is earned with tokens, up to what there is at the start")
  func earned() throws {
    var budget = FormatBudget()
    budget.earn()
    #expect(budget.left == FormatBudget.most)
    budget.spend(FormatBudget.most + FormatBudget.earned)
    #expect(throws: RequestError.self) { try budget.check() }
    budget.earn()
    try budget.check()
    #expect(budget.left == 0)
  }

  @Test("is nothing while the answer is being closed", arguments: 0..<4)
  func closing(seed: UInt64) throws {
    var random = SamplerRandom(seed: seed)
    let schema = #"{"type": "array", "minItems": 4, "items": {"type": "string", "minLength": 20}}"#
    let (first, automaton, stream) = try makeSequence(schema, maxTokens: 110, budget: FormatBudget())
    var sequence = first
    try withExtendedLifetime(stream) {
      var forced = 0
      while true {
        let isForced = sequence.draftLimits(contextLength: 10_000).certain != nil
        let before = automaton.keptMasks
        let token = try step(&sequence, &random)
        if isForced {
          forced += 1
          let after = automaton.keptMasks
          #expect(after.whole == before.whole && after.outlines == before.outlines, "seed \(seed)")
        }
        if token == nil { break }
      }
      #expect(forced > 10, "seed \(seed)")
    }
  }
}

@Suite("A local model with a format")
struct LocalLanguageModelFormatTests {
  private static let schema = #"""
    {"type": "object", "properties": {
      "name": {"type": "string", "maxLength": 12}, "score": {"type": "integer", "minimum": 1, "maximum": 5},
      "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 3}}, "required": ["name", "score"]}
    """#

  @Test("gives answers that satisfy the schema, beside free ones", .timeLimit(.minutes(10)))
  func answers() async throws {
    let model = try LocalLanguageModel.synthetic()
    let schema = try JSONDocument(Self.schema)
    let free = try GenerationOptions(maxTokens: 30)
    let before = try await model.respond(to: .raw("free 1 ", free)).text
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<12 {
        group.addTask {
          let options = try GenerationOptions(
            maxTokens: 24 + number * 6,
            temperature: number % 2 == 0 ? 0 : 1,
            seed: UInt64(number),
            responseFormat: .jsonSchema(Self.schema)
          )
          let completion = try await model.respond(to: .raw("say \(number) ", options))
          let value = try JSONDocument(completion.text)
          #expect(SchemaOracle.accepts(value, schema, schema), "\(completion.text)")
          #expect([.endOfText, .maxTokens].contains(completion.summary.reason))
          #expect(completion.summary.usage.completionTokens <= 24 + number * 6)
        }
      }
      group.addTask {
        let text = try await model.respond(to: .raw("free 1 ", free)).text
        #expect(text == before)
      }
      try await group.waitForAll()
    }
    await model.shutdown()
  }

  @Test("does not end within a text whose characters are also ends", arguments: 0..<8)
  func spelledEnds(seed: UInt64) async throws {
    // Every letter ends an answer, as a file may name a token that has a text.
    let model = try LocalLanguageModel.synthetic(endTokens: Set(97..<123))
    let options = try GenerationOptions(
      maxTokens: 60,
      temperature: 1,
      seed: seed,
      responseFormat: .jsonSchema(#"{"type": "string", "minLength": 20}"#)
    )
    let text = try await model.respond(to: .raw("x", options)).text
    guard case .string = try JSONDocument(text) else {
      Issue.record("seed \(seed): \(text) is no string")
      return
    }
    await model.shutdown()
  }

  @Test("gives an object, and a text by a grammar")
  func others() async throws {
    let model = try LocalLanguageModel.synthetic()
    let object = try GenerationOptions(maxTokens: 60, temperature: 1, seed: 2, responseFormat: .jsonObject)
    let text = try await model.respond(to: .raw("x", object)).text
    guard case .object = try JSONDocument(text, allowsRepeatedNames: true) else {
      Issue.record("\(text) is no object")
      return
    }
    let grammar = try GenerationOptions(responseFormat: .grammar(#"root ::= ("yes" | "no") "!"{2}"#))
    let answer = try await model.respond(to: .raw("x", grammar))
    #expect(["yes!!", "no!!"].contains(answer.text) && answer.summary.reason == .endOfText)
    await model.shutdown()
  }

  @Test("fails an answer whose format can't be followed further, and none beside it")
  func heavyFormat() async throws {
    let model = try LocalLanguageModel.synthetic(endTokens: [])
    let free = try GenerationOptions(maxTokens: 30)
    let before = try await model.respond(to: .raw("free 1 ", free)).text
    let many = Array(repeating: #""x""#, count: GrammarAutomaton.largestState).joined(separator: " | ")
    let heavy = try GenerationOptions(responseFormat: .grammar(#"root ::= "a" ("# + many + ")"))
    let other = try await model.generate(.raw("free 1 ", free))
    let stream = try await model.generate(.raw("x", heavy))
    let error = await #expect(throws: RequestError.self) { try await stream.collect() }
    #expect(error?.code == .unsupportedFormat)
    #expect(try await other.collect().text == before)
    await model.waitForIdle()
    #expect(model.statistics.usedPages == 0)
    await model.shutdown()
  }

  @Test("closes an answer before the context is full", arguments: [40, 50])
  func contextEnd(contextLength: Int) async throws {
    let model = try LocalLanguageModel.synthetic(options: .init(threads: 1, contextLength: contextLength))
    let format = ResponseFormat.jsonSchema(#"{"type": "array", "items": {"type": "string", "minLength": 3}}"#)
    let options = try GenerationOptions(maxTokens: 500, temperature: 1, seed: 3, responseFormat: format)
    let completion = try await model.respond(to: .raw("0123456789", options))
    guard case .array = try JSONDocument(completion.text) else {
      Issue.record("\(completion.text) is no array")
      return
    }
    #expect(completion.summary.usage.completionTokens <= contextLength - 10)
    await model.shutdown()
  }

  @Test("refuses formats with a code, and what has no room")
  func refusals() async throws {
    let model = try LocalLanguageModel.synthetic(options: .init(threads: 1, contextLength: 40))
    func code(_ format: ResponseFormat, maxTokens: Int = 30) async -> RequestError.Code? {
      do {
        let options = try GenerationOptions(maxTokens: maxTokens, responseFormat: format)
        _ = try await model.respond(to: .raw("0123456789", options))
        return nil
      } catch { return (error as? RequestError)?.code }
    }
    #expect(await code(.jsonSchema("false")) == .unsatisfiableFormat)
    #expect(await code(.jsonSchema(#"{"pattern": "(?=a)"}"#)) == .unsupportedFormat)
    #expect(await code(.jsonSchema("{")) == .invalidOption)
    #expect(await code(.jsonSchema(#"{"const": "0123456789"}"#), maxTokens: 11) == .invalidOption)
    #expect(await code(.jsonSchema(#"{"const": "0123456789"}"#), maxTokens: 12) == nil)
    let long = ResponseFormat.jsonSchema(#"{"type": "string", "minLength": 29}"#)
    let error = await #expect(throws: ModelError.self) {
      try await model.generate(.raw("0123456789", try GenerationOptions(maxTokens: 99, responseFormat: long)))
    }
    #expect(error?.code == .promptTooLong)
    await model.shutdown()
  }
}

/// A token for each byte.
private struct ByteVocabulary: DecoderVocabulary {
  var endTokens: Set<Int32> { [256] }
  var turnEnd: Int32? { 256 }
  var count: Int { 257 }

  func bytes(of token: Int32) -> [UInt8] { UInt8(exactly: token).map { [$0] } ?? [] }

  func encode(_ text: String) throws(ModelError) -> [Int32] { text.utf8.map { Int32($0) } }

  func encode(_ messages: [ChatMessage]) throws(ModelError) -> [Int32] {
    try encode(messages.map(\.content).joined())
  }

  func makeDetokenizer() -> any TokenDetokenizer { ASCIIVocabulary().makeDetokenizer() }
}
