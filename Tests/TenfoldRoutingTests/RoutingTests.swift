// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import TenfoldCore
import TenfoldRouting
import TenfoldTesting
import Testing

func profile(_ id: String, _ tier: ModelTier, dollars: Double = 0) -> ModelProfile {
  ModelProfile(
    id: id,
    contextLength: 4096,
    tier: tier,
    price: ModelPrice(dollarsPerMillionCompletionTokens: dollars)
  )
}

func scripted(
  _ id: String,
  _ tier: ModelTier = .small,
  dollars: Double = 0,
  _ script: @escaping @Sendable (InferenceRequest) async throws -> ScriptedLanguageModel.Script
) -> ScriptedLanguageModel {
  ScriptedLanguageModel(profile: profile(id, tier, dollars: dollars), script: script)
}

/// Lets other tasks run until a layer's load is what it must become: the layers tell nobody of each change.
func until(_ condition: () -> Bool) async {
  for _ in 0..<100_000 where !condition() { await Task.yield() }
}

@Suite("Complexity features")
struct ComplexityFeaturesTests {
  @Test("count what is on the surface")
  func counts() {
    let features = ComplexityFeatures(question: "Why is 3 + 4 = 7? Prove it, step by step. It isn't false.")
    #expect(features.words == 13)
    #expect(features.numbers == 3)
    #expect(features.mathMarks == 2)
    #expect(features.questions == 1)
    #expect(features.sentences == 3)
    #expect(features.reasoningWords == 4)
    #expect(features.negations == 2)
    #expect(ComplexityFeatures(question: "func f(x) { return x[0]; }").codeMarks == 6)
    #expect(ComplexityFeatures(question: "").words == 0)
  }

  @Test("any text is counted without harm", arguments: 0..<50)
  func anything(seed: Int) {
    var generator = SeededGenerator(seed: UInt64(seed))
    let bytes = (0..<Int.random(in: 0..<3000, using: &generator)).map { _ in
      UInt8.random(in: 0...255, using: &generator)
    }
    let features = ComplexityFeatures(question: String(decoding: bytes, as: UTF8.self))
    let difficulty = ComplexityRoutingPolicy.Weights.zeroShot.difficulty(of: features)
    #expect(difficulty >= 0 && difficulty <= 1, "seed \(seed)")
    #expect(features.meanWordLength.isFinite, "seed \(seed)")
  }
}

@Suite("The complexity policy")
struct ComplexityRoutingPolicyTests {
  private let candidates = [
    RouteCandidate(profile: profile("large", .large)), RouteCandidate(profile: profile("small", .small)),
  ]

  @Test("keeps the contract of a policy")
  func contract() async {
    #expect(await RoutingPolicyContract.violations { ComplexityRoutingPolicy() } == [])
    #expect(
      await RoutingPolicyContract.violations { ComplexityRoutingPolicy(cut: .quantile(largeShare: 0.2)) }
        == []
    )
  }

  @Test("sends easy questions to the small model and hard ones to the large")
  func routes() async {
    let policy = ComplexityRoutingPolicy()
    let easy = await policy.decide(InferenceRequest("Who wrote Hamlet?", tenant: "a"), among: candidates)
    #expect(easy.order == ["small", "large"])
    let hard = await policy.decide(
      InferenceRequest(
        "Prove that if 3x + 2y = 12 and x - y = 1, then the solution is unique; derive it step by step, "
          + "compare two methods, and explain why the determinant must not be 0.",
        tenant: "a"
      ),
      among: candidates
    )
    #expect(hard.order == ["large", "small"])
    #expect(hard.difficulty > easy.difficulty)
  }

  @Test(
    "a cut or a weight that is no share is no trap",
    arguments: [
      (.infinity, -2.2, "small", "easy: 10 % vs 100 %"), (-.infinity, -2.2, "large", "hard: 10 % vs 0 %"),
      (1e300, -2.2, "small", "easy: 10 % vs 100 %"), (.nan, -2.2, "small", "easy: 10 % vs 0 %"),
      (0.5, .nan, "small", "easy: 0 % vs 50 %"), (0.5, .infinity, "large", "hard: 100 % vs 50 %"),
    ] as [(Double, Double, String, String)]
  )
  func oddNumbers(cut: Double, bias: Double, first: String, reason: String) async {
    var weights = ComplexityRoutingPolicy.Weights.zeroShot
    weights.bias = bias
    // The question has no word, so that its difficulty is that of the bias alone.
    let decision = await ComplexityRoutingPolicy(weights: weights, cut: .difficulty(cut))
      .decide(InferenceRequest("", tenant: "a"), among: candidates)
    #expect(decision.order.first == first)
    #expect(decision.reason == reason)
  }

  @Test("a quantile keeps the share of large calls, whatever the level", arguments: [0.1, 0.3, 0.7])
  func quantile(share: Double) async {
    var generator = SeededGenerator(seed: 5)
    let policy = ComplexityRoutingPolicy(cut: .quantile(largeShare: share), window: 256)
    var large = 0
    for index in 0..<2000 {
      let words = (0..<Int.random(in: 1..<60, using: &generator)).map { _ in
        ["why", "cat", "7", "x=1"].randomElement(using: &generator) ?? ""
      }
      let request = InferenceRequest(words.joined(separator: " "), tenant: "a")
      let decision = await policy.decide(request, among: candidates)
      if index >= 500, decision.order.first == "large" { large += 1 }
    }
    #expect(abs(Double(large) / 1500 - share) < 0.06)
  }
}

@Suite("A routed model")
struct RoutedModelTests {
  /// A policy that always gives the same order.
  private struct Fixed: RoutingPolicy {
    var order: [String]
    func decide(_ request: InferenceRequest, among candidates: [RouteCandidate]) async -> RoutingDecision {
      RoutingDecision(order: order, difficulty: 0, reason: "fixed")
    }
  }

  @Test("keeps the contract of a model")
  func contract() async {
    let violations = await LanguageModelContract.violations(
      isBusy: { ($0 as? RoutedModel)?.load.values.reduce(0, +) ?? 0 }
    ) {
      try RoutedModel(
        id: "r",
        models: [scripted("a") { _ in .text("one") }, scripted("b", .large) { _ in .text("two") }],
        policy: ComplexityRoutingPolicy()
      )
    }
    #expect(violations == [])
  }

  @Test("falls back before the first word, and not after", arguments: ["refuses", "breaks off"])
  func fallsBack(how: String) async throws {
    let error = RequestError(.modelFailed, "broken")
    let first = scripted("a") { _ in how == "refuses" ? .failure(error) : .failureAfter("half", error) }
    let second = scripted("b") { _ in .text("whole") }
    let model = try RoutedModel(id: "r", models: [first, second], policy: Fixed(order: ["a", "b"]))
    let request = InferenceRequest("q", tenant: "t")
    if how == "refuses" {
      #expect(try await model.respond(to: request).text == "whole")
      #expect(request.context.trace.stages.map(\.stage).contains("fallback"))
    } else {
      await #expect(throws: RequestError.self) { try await model.respond(to: request) }
      #expect(second.requests.isEmpty)
    }
    await until { model.load.values.allSatisfy { $0 == 0 } }
    #expect(model.load == ["a": 0, "b": 0])
  }

  @Test("an answer is curtailed if a lesser model than the chosen one gave it", arguments: [true, false])
  func lesserModel(isChosenLarge: Bool) async throws {
    let failing = scripted("a", isChosenLarge ? .large : .small) { _ in
      .failure(RequestError(.modelFailed, "no"))
    }
    let other = scripted("b", isChosenLarge ? .small : .large) { _ in .text("whole") }
    let model = try RoutedModel(id: "r", models: [failing, other], policy: Fixed(order: ["a", "b"]))
    let answer = try await model.respond(to: InferenceRequest("q", tenant: "t"))
    #expect(answer.text == "whole" && answer.summary.provenance.isCurtailed == isChosenLarge)
    let chosen = try RoutedModel(id: "r", models: [failing, other], policy: Fixed(order: ["b", "a"]))
    let plain = try await chosen.respond(to: InferenceRequest("q", tenant: "t"))
    #expect(!plain.summary.provenance.isCurtailed)
  }

  @Test("a request that is wrong in itself is asked once")
  func wrongRequest() async throws {
    let second = scripted("b") { _ in .text("whole") }
    let model = try RoutedModel(
      id: "r",
      models: [scripted("a") { _ in .failure(RequestError(.invalidOption, "no")) }, second],
      policy: Fixed(order: ["a", "b"])
    )
    await #expect { try await model.respond(to: InferenceRequest("q", tenant: "t")) } throws: {
      ($0 as? RequestError)?.code == .invalidOption
    }
    #expect(second.requests.isEmpty)
  }

  @Test("needs models of different ids, and a policy that chooses one")
  func invalid() async throws {
    #expect(throws: RequestError.self) { try RoutedModel(id: "r", models: [], policy: Fixed(order: [])) }
    let a = scripted("a") { _ in .text("x") }
    #expect(throws: RequestError.self) { try RoutedModel(id: "r", models: [a, a], policy: Fixed(order: [])) }
    let model = try RoutedModel(id: "r", models: [a], policy: Fixed(order: ["unknown"]))
    await #expect { try await model.respond(to: InferenceRequest("q", tenant: "t")) } throws: {
      ($0 as? RequestError)?.code == .unavailable
    }
  }

  @Test("promises what each of its models keeps")
  func composedProfile() throws {
    func model(
      _ id: String,
      _ tier: ModelTier,
      _ context: Int,
      _ prompt: Double,
      _ cpu: Double
    )
      -> ScriptedLanguageModel
    {
      let price = ModelPrice(
        dollarsPerMillionPromptTokens: prompt,
        dollarsPerMillionCompletionTokens: 1,
        dollarsPerCPUSecond: cpu
      )
      let profile = ModelProfile(id: id, contextLength: context, tier: tier, price: price)
      return ScriptedLanguageModel(profile: profile) { _ in .text("x") }
    }
    let models = [model("a", .small, 4096, 0, 3), model("b", .large, 8192, 2, 0)]
    let profile = try RoutedModel(id: "r", models: models, policy: Fixed(order: ["a"])).profile
    #expect(profile.tier == .large && profile.contextLength == 4096)
    let dearest = ModelPrice(
      dollarsPerMillionPromptTokens: 2,
      dollarsPerMillionCompletionTokens: 1,
      dollarsPerCPUSecond: 3
    )
    #expect(profile.price == dearest)
  }

  @Test("counts what is in flight and what left")
  func inFlight() async throws {
    let model = try RoutedModel(id: "r", models: [scripted("a") { _ in .hang }], policy: Fixed(order: ["a"]))
    do {
      let stream = try await model.generate(InferenceRequest("q", tenant: "t"))
      #expect(model.load == ["a": 1])
      _ = stream
    }
    await until { model.load["a"] == 0 }
    #expect(model.load == ["a": 0])
  }
}

@Suite("Calibration")
struct ConfidenceCalibrationTests {
  private func samples(
    _ seed: UInt64,
    _ count: Int,
    slope: Double,
    offset: Double
  ) -> [ConfidenceCalibration.Sample] {
    var generator = SeededGenerator(seed: seed)
    let curve = ConfidenceCalibration.logistic(slope: slope, offset: offset)
    return (0..<count).map { _ in
      let score = Double.random(in: 0...1, using: &generator)
      return .init(
        score: score,
        isRight: Double.random(in: 0..<1, using: &generator) < curve.probability(of: score)
      )
    }
  }

  @Test("Platt's curve finds the curve that made the data", arguments: 0..<10)
  func platt(seed: Int) {
    let truth = ConfidenceCalibration.logistic(slope: 5, offset: -2)
    let fitted = ConfidenceCalibration.platt(fitting: samples(UInt64(seed), 5000, slope: 5, offset: -2))
    for score in [0.0, 0.25, 0.5, 0.75, 1] {
      #expect(
        abs(fitted.probability(of: score) - truth.probability(of: score)) < 0.06,
        "seed \(seed) at \(score)"
      )
    }
  }

  @Test("isotonic steps rise and are near the truth", arguments: 0..<10)
  func isotonic(seed: Int) {
    let truth = ConfidenceCalibration.logistic(slope: 5, offset: -2)
    let fitted = ConfidenceCalibration.isotonic(fitting: samples(UInt64(seed), 5000, slope: 5, offset: -2))
    var last = -1.0
    for score in stride(from: 0.0, through: 1, by: 0.01) {
      let value = fitted.probability(of: score)
      #expect(value >= last, "seed \(seed) at \(score)")
      last = value
    }
    #expect(abs(fitted.probability(of: 0.5) - truth.probability(of: 0.5)) < 0.12, "seed \(seed)")
  }

  @Test("no data, one kind of data, equal or broken scores do no harm")
  func degenerate() {
    for fit in [ConfidenceCalibration.platt(fitting:), ConfidenceCalibration.isotonic(fitting:)] {
      #expect(fit([]).probability(of: 0.3) == 0.5)
      for isRight in [true, false] {
        let same = (0..<20).map { _ in ConfidenceCalibration.Sample(score: 0.5, isRight: isRight) }
        let value = fit(same + [.init(score: .nan, isRight: !isRight)]).probability(of: 0.5)
        #expect(isRight ? value > 0.9 : value < 0.1)
      }
      #expect(fit([.init(score: 1, isRight: true)]).probability(of: .nan) == 0)
    }
  }
}

@Suite("The margin confidence")
struct MarginConfidenceTests {
  @Test(
    "a confidence from token probabilities keeps the contract for every measure",
    arguments: [TokenConfidence.Measure.meanProbability, .leastProbability, .entropy, .margin]
  )
  func tokenContract(measure: TokenConfidence.Measure) async {
    #expect(await CompletionConfidenceContract.violations { TokenConfidence(measure, unknown: .nan) } == [])
  }

  @Test("a confidence from token probabilities takes its measure")
  func tokenScores() {
    func score(_ measure: TokenConfidence.Measure, _ certainty: AnswerCertainty?) -> Double? {
      let summary = GenerationSummary(
        reason: .endOfText,
        usage: TokenUsage(),
        provenance: Provenance(answeredBy: .model(id: "m", tier: .small)),
        certainty: certainty
      )
      return TokenConfidence(measure).score(of: Completion(text: "yes", summary: summary))
    }
    let certainty = AnswerCertainty(
      meanLogProbability: -0.5,
      minimumLogProbability: -2,
      meanEntropy: 1,
      meanMargin: 0.25
    )
    #expect(abs((score(.meanProbability, certainty) ?? 0) - 0.606_530_659_712_633_4) < 1e-12)
    #expect(abs((score(.leastProbability, certainty) ?? 0) - 0.135_335_283_236_612_7) < 1e-12)
    #expect(abs((score(.entropy, certainty) ?? 0) - 0.367_879_441_171_442_3) < 1e-12)
    #expect(score(.margin, certainty) == 0.25)
    let plain = AnswerCertainty(meanLogProbability: -0.5, minimumLogProbability: -2)
    #expect(score(.entropy, plain) == nil && score(.margin, plain) == nil && score(.margin, nil) == nil)
    #expect(
      score(.margin, AnswerCertainty(meanLogProbability: 0, minimumLogProbability: 0, meanMargin: .nan))
        == nil
    )
  }

  @Test(
    "is never sure of what a deadline or a full context cut off; the request's own limit cuts any model's answer",
    arguments: [
      (FinishReason.endOfText, 0.75), (.choice, 0.75), (.maxTokens, 0.75), (.deadline, 0), (.contextFull, 0),
    ]
  )
  func cutOff(reason: FinishReason, expected: Double) async throws {
    func completion(_ text: String) -> Completion {
      Completion(
        text: text,
        summary: GenerationSummary(
          reason: reason,
          usage: TokenUsage(),
          provenance: Provenance(answeredBy: .model(id: "m", tier: .small)),
          choiceProbabilities: [0.75],
          certainty: AnswerCertainty(meanLogProbability: 0, minimumLogProbability: 0, meanMargin: 0.75)
        )
      )
    }
    let request = InferenceRequest("q", tenant: "t")
    let judges: [any CompletionConfidence] = [MarginConfidence(), TokenConfidence(.margin)]
    for judge in judges {
      #expect(try await judge.confidence(in: completion("yes"), for: request) == expected)
      #expect(try await judge.confidence(in: completion(" \n"), for: request) == 0)
    }
  }

  @Test("keeps the contract of a judge")
  func contract() async {
    #expect(await CompletionConfidenceContract.violations { MarginConfidence() } == [])
    #expect(
      await CompletionConfidenceContract.violations {
        MarginConfidence(choices: .logistic(slope: 1e300, offset: -1e300), unknown: .nan)
      } == []
    )
  }

  @Test("is the distance of the two likeliest choices, else the mean probability of a token")
  func scores() {
    func score(_ choices: [Double], _ mean: Double?) -> Double? {
      MarginConfidence.score(
        of: Completion(
          text: "x",
          summary: GenerationSummary(
            reason: .endOfText,
            usage: TokenUsage(),
            provenance: Provenance(answeredBy: .model(id: "m", tier: .small)),
            meanLogProbability: mean,
            choiceProbabilities: choices
          )
        )
      )
    }
    #expect(abs((score([0.2, 0.7, 0.1], -1) ?? 0) - 0.5) < 1e-12)
    #expect(score([1], nil) == 1)
    #expect(score([], nil) == nil)
    #expect(abs((score([], -0.5) ?? 0) - 0.606_530_659_7) < 1e-9)
  }
}

@Suite("A cascade")
struct CascadeModelTests {
  /// A judge that says what the test wants.
  private struct Judge: CompletionConfidence {
    var value: Double
    func confidence(in completion: Completion, for request: InferenceRequest) async throws -> Double { value }
  }

  private let small = scripted("small", dollars: 1_000) { _ in .text("small words") }
  private let large = scripted("large", .large, dollars: 10_000) { _ in .text("large words here") }

  private func make(_ confidence: Double) throws -> CascadeModel {
    try CascadeModel(id: "c", small: small, large: large, confidence: Judge(value: confidence))
  }

  @Test("keeps the contract of a model", arguments: [0.0, 1])
  func contract(confidence: Double) async {
    let violations = await LanguageModelContract.violations { try make(confidence) }
    #expect(violations == [])
  }

  @Test("a sure small answer is delivered, and the large model not asked")
  func stops() async throws {
    let answer = try await make(0.9).respond(to: InferenceRequest("q", tenant: "t"))
    #expect(answer.text == "small words")
    #expect(large.requests.isEmpty)
    #expect(answer.summary.provenance.modelCalls.map(\.model) == ["small"])
    #expect(!answer.summary.provenance.isCurtailed)
  }

  @Test("a router tells a busy cascade from its large model")
  func tier() async throws {
    let cascade = try make(0.9).profile
    #expect(cascade.tier == .small && cascade.price == large.profile.price)
    let candidates = [RouteCandidate(profile: cascade, inFlight: 9), RouteCandidate(profile: large.profile)]
    let request = InferenceRequest("q", tenant: "t")
    #expect(await ComplexityRoutingPolicy().decide(request, among: candidates).order == ["c", "large"])
  }

  @Test("an unsure answer is replaced, and both calls are paid for and told")
  func escalates() async throws {
    let request = InferenceRequest("q", tenant: "t")
    let answer = try await make(0.1).respond(to: request)
    #expect(answer.text == "large words here")
    #expect(answer.summary.provenance.modelCalls.map(\.model) == ["small", "large"])
    #expect(answer.summary.provenance.cost == Money(dollars: 0.002 + 0.03))
    #expect(request.context.trace.modelCalls.map(\.model) == ["small", "large"])
    #expect(answer.summary.provenance.answeredBy == .model(id: "large", tier: .large))
    #expect(!answer.summary.provenance.isCurtailed)
  }

  @Test(
    "the large model is asked where it is likelier to be right by more than the gain asked for",
    arguments: [
      (0.5, 0.6, 0.0, true), (0.5, 0.5, 0, false), (0.5, 0.6, 0.2, false), (0.5, 0.8, 0.2, true),
      (0, .nan, 0, true),
    ]
  )
  func gain(confidence: Double, accuracy: Double, gain: Double, asksLarge: Bool) async throws {
    let model = try CascadeModel(
      id: "c",
      small: small,
      large: large,
      confidence: Judge(value: confidence),
      options: .init(largeAccuracy: { $0.question == "q" ? accuracy : 1 }, minimumGain: gain)
    )
    let request = InferenceRequest("q", tenant: "t")
    #expect(try await model.respond(to: request).text == (asksLarge ? "large words here" : "small words"))
    #expect(try await model.respond(to: InferenceRequest("other", tenant: "t")).text == "large words here")
    if !asksLarge {
      let note = "early exit: confidence 50 %, and the large model is right in \(Int(accuracy * 100)) %"
      #expect(request.context.trace.stages.map(\.note).contains(note))
    }
  }

  @Test("the cost ceiling keeps the large model out")
  func ceiling() async throws {
    var request = InferenceRequest("q", tenant: "t")
    request.context.costCeiling = Money(dollars: 0.01)
    let answer = try await make(0.1).respond(to: request)
    #expect(answer.text == "small words" && answer.summary.provenance.isCurtailed)
    #expect(large.requests.isEmpty)
  }

  @Test("a deadline that has come keeps the large model out")
  func deadline() async throws {
    let time = ManualTime()
    let slow = scripted("small") { _ in
      time.advance(by: .seconds(5))
      return .text("small words")
    }
    let model = try CascadeModel(id: "c", small: slow, large: large, confidence: Judge(value: 0))
    let context = RequestContext(
      tenant: "t",
      deadline: time.now.advanced(by: .seconds(5)),
      trace: RequestTrace(time: time.source)
    )
    let answer = try await model.respond(to: InferenceRequest(prompt: .text("q"), context: context))
    #expect(answer.text == "small words" && answer.summary.provenance.isCurtailed)
    #expect(large.requests.isEmpty)
  }

  @Test("a small model that fails is replaced; a large one that fails leaves the small answer")
  func failures() async throws {
    let error = RequestError(.modelFailed, "broken")
    let failing = scripted("failing") { _ in .failure(error) }
    let first = try CascadeModel(id: "c", small: failing, large: large, confidence: Judge(value: 1))
    let better = try await first.respond(to: InferenceRequest("q", tenant: "t"))
    #expect(better.text == "large words here" && !better.summary.provenance.isCurtailed)
    let second = try CascadeModel(id: "c", small: small, large: failing, confidence: Judge(value: 0))
    let lesser = try await second.respond(to: InferenceRequest("q", tenant: "t"))
    #expect(lesser.text == "small words" && lesser.summary.provenance.isCurtailed)
  }

  @Test("leaving stops the model that is at work")
  func leaving() async throws {
    let hanging = scripted("large", .large) { _ in .hang }
    let model = try CascadeModel(id: "c", small: small, large: hanging, confidence: Judge(value: 0))
    let stream = try await model.generate(InferenceRequest("q", tenant: "t"))
    await withTaskGroup(of: Void.self) { group in
      group.addTask { _ = try? await stream.collect() }
      await hanging.waitForOpenStreams(1)
      group.cancelAll()
    }
    await hanging.waitForOpenStreams(0)
    #expect(hanging.openStreams == 0)
  }

  @Test("a threshold must be a share", arguments: [-0.1, 1.1, .nan])
  func thresholds(value: Double) {
    #expect(throws: RequestError.self) {
      try CascadeModel(
        id: "c",
        small: small,
        large: large,
        confidence: Judge(value: 1),
        options: .init(confidenceThreshold: value)
      )
    }
  }
}
