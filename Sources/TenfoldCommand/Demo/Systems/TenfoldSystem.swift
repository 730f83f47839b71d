// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Tenfold

/// The same job done with every technique that is not switched off.
struct TenfoldSystem: Sendable {
  let pipeline: Pipeline
  let costBook: CostBook
  let stages: StageCollector
  let cache: ResponseCache
  let cacheStore: SQLiteCacheStore
  let escalations: EscalationTally?

  /// A request whose calibrated chance of a right small answer is below this goes to the large model, if that is any
  /// likelier to be right.
  static let confidenceThreshold = 0.8

  init(
    models: DemoModels,
    calibration: DemoCalibration,
    index: SearchIndex,
    cacheDatabase: SQLiteDatabase,
    techniques: DemoTechniques
  ) throws {
    let embedder = models.embedder
    let model: any LanguageModel
    (model, escalations) = try Self.answering(models, calibration, hasRouting: techniques.hasRouting)

    costBook = CostBook()
    stages = StageCollector()
    cacheStore = SQLiteCacheStore(database: cacheDatabase)
    cache = ResponseCache(store: cacheStore, model: model.profile, corpusEpoch: { index.epoch })
    var layers = PipelineLayers()
    layers.observation = ObservationMiddleware(costBook: costBook, stages: stages)
    layers.admission = AdmissionMiddleware()
    layers.coalescing = CoalescingMiddleware()
    layers.exactCache = ExactCacheMiddleware(cache: cache)
    layers.semanticCache = SemanticCacheMiddleware(cache: cache, embedder: embedder)
    layers.retrieval = try RetrievalMiddleware(
      retriever: CachedRetriever(try index.retriever(), epoch: { index.epoch }),
      embedder: embedder,
      access: .everyDocument,
      options: .init(limit: DemoPrompt.retrievalLimit, template: DemoPrompt.template)
    )
    pipeline = layers.pipeline(model: model, without: techniques.layers)
  }

  /// The models as one, and what counts the escalations where there is no large one.
  private static func answering(
    _ models: DemoModels,
    _ calibration: DemoCalibration,
    hasRouting: Bool
  ) throws -> (any LanguageModel, EscalationTally?) {
    let small = CalibratedChoices(models.small, calibration)
    let confidence = calibration.confidence(models.small.profile.id)
    guard let large = models.large.map({ CalibratedChoices($0, calibration) }) else {
      let tally = EscalationTally(
        small,
        confidence: confidence,
        threshold: confidenceThreshold,
        largeAccuracy: { calibration.accuracy(DemoModels.largeID, $0) }
      )
      return (tally, tally)
    }
    guard hasRouting else { return (large, nil) }
    let cascade = try CascadeModel(
      id: "cascade",
      small: small,
      large: large,
      confidence: confidence,
      options: .init(
        confidenceThreshold: confidenceThreshold,
        largeAccuracy: { [id = large.profile.id] in calibration.accuracy(id, $0) }
      )
    )
    return (try RoutedModel(id: "demo", models: [cascade, large], policy: DemoRouting()), nil)
  }
}
