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
    disabled: Set<PipelineTechnique>,
    withoutRouting: Bool
  ) throws {
    let embedder = models.embedder
    let small = CalibratedChoices(models.small, calibration)
    escalations = models.large == nil ? EscalationTally(small) : nil
    let large: any LanguageModel
    if let model = models.large {
      large = CalibratedChoices(model, calibration)
    } else {
      large = escalations ?? EscalationTally(small)
    }
    let model: any LanguageModel
    if withoutRouting {
      model = large
    } else {
      let cascade = try CascadeModel(
        id: "cascade",
        small: small,
        large: large,
        confidence: calibration.confidence(models.small.profile.id),
        options: .init(
          confidenceThreshold: Self.confidenceThreshold,
          largeAccuracy: { [id = large.profile.id] in calibration.accuracy(id, $0) }
        )
      )
      model = try RoutedModel(id: "demo", models: [cascade, large], policy: DemoRouting())
    }

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
    // The prompt is made of passages, so retrieval stays even when its gain is to be measured by its absence.
    pipeline = layers.pipeline(model: model, without: disabled.subtracting([.retrieval]))
  }
}
