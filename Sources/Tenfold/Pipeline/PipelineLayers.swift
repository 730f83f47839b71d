// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// The layers of the standard pipeline, each of them optional, in the order that they are meant to have.
///
/// ```swift
/// var layers = PipelineLayers()
/// layers.observation = ObservationMiddleware(costBook: book)
/// layers.exactCache = ExactCacheMiddleware(…)
/// let pipeline = layers.pipeline(model: model, without: [.exactCache])   // the gain of one technique, by its absence
/// ```
public struct PipelineLayers: Sendable {
  /// Spans, metrics, costs and the bottleneck report; never switched off.
  public var observation: (any InferenceMiddleware)?
  /// Limits, budgets and shedding at the door.
  public var admission: (any InferenceMiddleware)?
  /// What was said before; never switched off, as an answer without it is to another question.
  public var conversation: (any InferenceMiddleware)?
  /// One computation for equal requests in flight.
  public var coalescing: (any InferenceMiddleware)?
  /// Stored answers to the very same request.
  public var exactCache: (any InferenceMiddleware)?
  /// Stored answers to requests of the same meaning.
  public var semanticCache: (any InferenceMiddleware)?
  /// Passages found for the question.
  public var retrieval: (any InferenceMiddleware)?
  /// The host's own layers, nearest to the model.
  public var custom: [any InferenceMiddleware]

  /// Creates an empty set of layers.
  public init() { custom = [] }

  /// The pipeline of these layers.
  ///
  /// - Parameters:
  ///   - model: The model that answers what no layer does.
  ///   - disabled: Techniques whose layers are left out.
  /// - Returns: Observation, admission, conversation, coalescing, exact cache, semantic cache, retrieval, the host's own layers, and
  ///   the model, as far as they are set and not disabled.
  public func pipeline(model: any LanguageModel, without disabled: Set<PipelineTechnique> = []) -> Pipeline {
    let inner: [(PipelineTechnique, (any InferenceMiddleware)?)] = [
      (.coalescing, coalescing), (.exactCache, exactCache), (.semanticCache, semanticCache),
      (.retrieval, retrieval),
    ]
    let outer = [observation, disabled.contains(.admission) ? nil : admission, conversation]
    let layers = inner.filter { !disabled.contains($0.0) }.map(\.1)
    return Pipeline(model: model, middlewares: (outer + layers).compactMap(\.self) + custom)
  }
}
