// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// Which documents a request may see: where a host keeps one tenant's documents from another.
///
/// A collection knows nothing of tenants, so the host says it, for each request.
///
/// ```swift
/// let access = DocumentAccess.documents { request in try await permissions.documents(of: request.context.tenant) }
/// ```
public struct DocumentAccess: Sendable {
  let allowed: @Sendable (InferenceRequest) async throws -> Set<DocumentID>?

  private init(_ allowed: @escaping @Sendable (InferenceRequest) async throws -> Set<DocumentID>?) {
    self.allowed = allowed
  }

  /// Every document of the collection, whoever asks: for documents that all tenants may see.
  public static let everyDocument = Self { _ in nil }

  /// The documents that the host names for each request.
  ///
  /// - Parameter allowed: The documents that the request may see; an empty set for none. What it throws ends the request.
  /// - Returns: The access.
  public static func documents(
    _ allowed: @escaping @Sendable (InferenceRequest) async throws -> Set<DocumentID>
  ) -> Self {
    Self { try await allowed($0) }
  }
}
