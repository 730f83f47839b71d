// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Something that stands in between a request and the model that answers it.
///
/// A middleware may answer by itself, change the request, pass it on to `next`, or look at the stream that comes back.
/// It calls `next` any number of times.
///
/// ```swift
/// struct Greeting: InferenceMiddleware {
///   func intercept(
///     _ request: InferenceRequest,
///     next: @escaping @Sendable (InferenceRequest) async throws -> GenerationStream
///   ) async throws -> GenerationStream {
///     var request = request
///     if case .chat(let turns) = request.prompt { request.prompt = .chat([.system("Be kind.")] + turns) }
///     return try await next(request)
///   }
/// }
/// ```
public protocol InferenceMiddleware: Sendable {
  /// Handles a request on its way in, and its stream on the way out.
  ///
  /// - Parameters:
  ///   - request: The request as the layer outside passed it on.
  ///   - next: The layers inside, down to the model.
  /// - Returns: The answer as it is made.
  /// - Throws: ``RequestError`` to refuse the request; whatever `next` throws.
  func intercept(
    _ request: InferenceRequest,
    next: @escaping @Sendable (InferenceRequest) async throws -> GenerationStream
  ) async throws -> GenerationStream
}
