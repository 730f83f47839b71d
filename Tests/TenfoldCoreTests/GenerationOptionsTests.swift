// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import TenfoldCore
import Testing

@Suite("Generation options")
struct GenerationOptionsTests {
  @Test("what is out of range is refused with its name and range")
  func refused() {
    func check(_ name: String, _ make: () throws(RequestError) -> GenerationOptions) {
      do {
        _ = try make()
        Issue.record("\(name) was accepted")
      } catch {
        #expect(error.code == .invalidOption)
        #expect(error.message.contains(name) && error.message.contains("must be"), "\(error.message)")
      }
    }
    check("maxTokens") { () throws(RequestError) in try GenerationOptions(maxTokens: 0) }
    check("maxTokens") { () throws(RequestError) in try GenerationOptions(maxTokens: -1) }
    for value in [-0.1, 100.5, Float.nan, .infinity] {
      check("temperature") { () throws(RequestError) in try GenerationOptions(temperature: value) }
    }
    check("topK") { () throws(RequestError) in try GenerationOptions(topK: -1) }
    for value in [0, -1, 1.01, Float.nan] {
      check("topP") { () throws(RequestError) in try GenerationOptions(topP: value) }
    }
    for value in [-0.01, 1.01, Float.nan] {
      check("minP") { () throws(RequestError) in try GenerationOptions(minP: value) }
    }
    for value in [0, -1, 101, Float.nan] {
      check("repetitionPenalty") { () throws(RequestError) in try GenerationOptions(repetitionPenalty: value)
      }
    }
    for value in [-2.01, 2.01, .nan, .infinity] as [Float] {
      check("frequencyPenalty") { () throws(RequestError) in try GenerationOptions(frequencyPenalty: value) }
      check("presencePenalty") { () throws(RequestError) in try GenerationOptions(presencePenalty: value) }
    }
    for value in [-100.1, 100.1, .nan, -.infinity] as [Float] {
      check("logitBias") { () throws(RequestError) in try GenerationOptions(logitBias: [3: value]) }
    }
    check("logitBias") { () throws(RequestError) in try GenerationOptions(logitBias: [-1: 1]) }
    let many = Dictionary(uniqueKeysWithValues: (0..<1025).map { (Int32($0), Float(1)) })
    check("logitBias") { () throws(RequestError) in try GenerationOptions(logitBias: many) }
    check("minTokens") { () throws(RequestError) in try GenerationOptions(minTokens: -1) }
    check("minTokens") { () throws(RequestError) in try GenerationOptions(maxTokens: 7, minTokens: 8) }
    check("choices") { () throws(RequestError) in
      try GenerationOptions(frequencyPenalty: 0.1, choices: ["a"])
    }
    check("choices") { () throws(RequestError) in
      try GenerationOptions(presencePenalty: -1, choices: ["a"])
    }
    check("choices") { () throws(RequestError) in try GenerationOptions(logitBias: [1: 1], choices: ["a"]) }
    check("choices") { () throws(RequestError) in try GenerationOptions(minTokens: 1, choices: ["a"]) }
    check("maxTokens") { () throws(RequestError) in try GenerationOptions(minTokens: 9).with(maxTokens: -1) }
    check("stop") { () throws(RequestError) in try GenerationOptions(stop: ["a", ""]) }
    check("stop") { () throws(RequestError) in try GenerationOptions(stop: (0..<65).map { "\($0)" }) }
    check("stop") { () throws(RequestError) in
      try GenerationOptions(stop: ["a", String(repeating: "b", count: 65_536)])
    }
    check("choices") { () throws(RequestError) in try GenerationOptions(choices: ["a", "a"]) }
    check("choices") { () throws(RequestError) in try GenerationOptions(choices: [""]) }
    for value in [-1, 21] {
      check("logProbabilities") { () throws(RequestError) in try GenerationOptions(logProbabilities: value) }
    }
    for value in [-1, 0, 17] {
      check("alternatives") { () throws(RequestError) in
        try GenerationOptions(temperature: 1, alternatives: value)
      }
    }
    check("alternatives") { () throws(RequestError) in try GenerationOptions(alternatives: 2) }
    check("responseFormat") { () throws(RequestError) in
      try GenerationOptions(choices: ["a"], responseFormat: .jsonObject)
    }
    check("responseFormat") { () throws(RequestError) in
      try GenerationOptions(stop: ["a"], responseFormat: .jsonObject)
    }
    check("responseFormat") { () throws(RequestError) in
      try GenerationOptions(responseFormat: .jsonSchema(String(repeating: " ", count: 1 << 20 + 1)))
    }
    check("choices") { () throws(RequestError) in try GenerationOptions(choices: (0..<1025).map { "\($0)" }) }
  }

  @Test("decoding checks the ranges too, and fills in defaults")
  func decoding() throws {
    let decoder = JSONDecoder()
    let options = try decoder.decode(GenerationOptions.self, from: Data(#"{"maxTokens": 7}"#.utf8))
    #expect(options == (try GenerationOptions(maxTokens: 7)))
    #expect(throws: RequestError.self) {
      try decoder.decode(GenerationOptions.self, from: Data(#"{"topP": 0}"#.utf8))
    }
    let format = ResponseFormat.jsonSchema(#"{"type": "null"}"#)
    let rich = try GenerationOptions(
      temperature: 1,
      responseFormat: format,
      logProbabilities: 2,
      alternatives: 3
    )
    #expect(try decoder.decode(GenerationOptions.self, from: JSONEncoder().encode(rich)) == rich)
    let shaped = try GenerationOptions(
      maxTokens: 9,
      frequencyPenalty: 0.5,
      presencePenalty: -2,
      logitBias: [7: -100, 0: 1.5, .max: 100],
      minTokens: 9
    )
    #expect(try decoder.decode(GenerationOptions.self, from: JSONEncoder().encode(shaped)) == shaped)
    let same = try JSONEncoder().encode(shaped)
    #expect(String(decoding: same, as: UTF8.self).contains(#""7":-100"#))
    #expect(
      try shaped.with(maxTokens: 20) == decoder.decode(GenerationOptions.self, from: same).with(maxTokens: 20)
    )
    #expect(try shaped.with(maxTokens: 4).minTokens == 4 && shaped.with(maxTokens: 20).minTokens == 9)
    #expect(try shaped.with(maxTokens: 20).logitBias == shaped.logitBias)
    let encoded = try JSONEncoder().encode(GenerationOptions(temperature: 0.5, seed: .max, stop: ["x"]))
    #expect(try decoder.decode(GenerationOptions.self, from: encoded).seed == .max)
  }

  @Test(
    "a bias under a name that is no token's id, or of something that is no number, is refused",
    arguments: [#"{"x": 1}"#, #"{"07": 1}"#, #"{"+7": 1}"#, #"{"4294967296": 1}"#, #"{"7": "1"}"#, "[7, 1]"]
  )
  func bias(text: String) throws {
    let decoder = JSONDecoder()
    #expect(throws: DecodingError.self) {
      try decoder.decode(GenerationOptions.self, from: Data(#"{"logitBias": \#(text)}"#.utf8))
    }
    #expect(throws: RequestError.self) {
      try decoder.decode(GenerationOptions.self, from: Data(#"{"logitBias": {"-7": 1}}"#.utf8))
    }
    let none = try decoder.decode(GenerationOptions.self, from: Data(#"{"logitBias": null}"#.utf8))
    #expect(none == .standard)
  }

  @Test("a retrieval limit is checked", arguments: [0, -1, 10_001, Int.max, Int.min])
  func limits(limit: Int) {
    #expect { try RetrievalQuery("q", limit: limit) } throws: {
      ($0 as? RequestError)?.code == .invalidOption
    }
  }
}
