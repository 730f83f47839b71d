// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldKernels

/// A matrix of a model as its file holds it.
///
/// ```swift
/// guard matrix.format == .q4_0 else { return nil }
/// return try AcceleratorLayer(unsafe matrix.bytes, matrix.rows, matrix.columns)
/// ```
@safe
public struct ModelMatrix {
  /// The tensor's name in the file, such as `blk.0.ffn_up.weight`.
  public let name: String
  /// The form of its bytes.
  public let format: WeightFormat
  /// The output columns of the product.
  public let rows: Int
  /// The length of a row of activations.
  public let columns: Int
  /// The weights, row-major in ``format``; they are there until the call that was given them returns.
  @unsafe public let bytes: UnsafeRawBufferPointer
}

/// A host's own back end for the products of a model, such as an accelerator's.
///
/// What it makes must keep `LinearLayerContract` of `TenfoldTesting`; a layer reads its input by
/// `Activations.withFloats(row:_:)` or `Activations.withCodes(row:_:)`.
///
/// ```swift
/// var options = LocalLanguageModel.Options()
/// options.layerProvider = Accelerator()
/// let model = try await LocalLanguageModel.load(gguf: path, options: options)
/// ```
public protocol LinearLayerProvider: Sendable {
  /// Names the back end; part of the model's revision, because it may round differently.
  var name: String { get }

  /// Makes the layer of a matrix, or leaves the matrix to the processor's kernels.
  ///
  /// Called once for each matrix while a model is loaded, on several threads at once.
  ///
  /// - Parameter matrix: The matrix.
  /// - Returns: A layer that takes `float32`, `int8PerBlock32` or `int8PerBlock256` activations, or `nil`.
  /// - Throws: Whatever keeps the model from being loaded.
  func layer(for matrix: borrowing ModelMatrix) throws -> (any LinearLayer)?
}
