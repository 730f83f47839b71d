// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

package import CTenfoldKernels

/// What happens to a finished sum before it is stored: `activation(s + bias) * multiplier + residual`.
///
/// Absent parts are left out. The pointers are read only inside ``LinearLayer/multiply(_:panels:into:outputStride:epilogue:)``
/// and its variants, which are unsafe themselves; they must stay valid until the call returns.
@safe
public struct Epilogue {
  /// The function applied to a sum after the bias.
  public enum Activation: Int32, Hashable, Sendable {
    /// The sum itself.
    case none = 0
    /// The exact Gaussian error linear unit, with erf.
    case gelu = 1
    /// `s * sigmoid(s)`.
    case silu = 2
  }

  /// One addend per output column.
  @unsafe public var bias: UnsafePointer<Float>?
  /// The function applied after the bias.
  public var activation: Activation
  /// Factors `[rows × outputWidth]`, `multiplierStride` apart; may be the output itself.
  @unsafe public var multiplier: UnsafePointer<Float>?
  /// Floats from one row of `multiplier` to the next.
  public var multiplierStride: Int
  /// Addends `[rows × outputWidth]`, `residualStride` apart; may be the output itself.
  @unsafe public var residual: UnsafePointer<Float>?
  /// Floats from one row of `residual` to the next.
  public var residualStride: Int
  /// The column of the result that the output starts with, for an output that holds only some of the columns; 0 unless set.
  ///
  /// ``bias``, ``multiplier`` and ``residual`` start with column 0 all the same.
  public var firstColumn = 0

  /// The sums as they are.
  public static var none: Epilogue { unsafe Epilogue(bias: nil) }

  /// Creates an epilogue from its parts.
  public init(
    bias: UnsafePointer<Float>? = nil,
    activation: Activation = .none,
    multiplier: UnsafePointer<Float>? = nil,
    multiplierStride: Int = 0,
    residual: UnsafePointer<Float>? = nil,
    residualStride: Int = 0
  ) {
    unsafe self.bias = bias
    self.activation = activation
    unsafe self.multiplier = multiplier
    self.multiplierStride = multiplierStride
    unsafe self.residual = residual
    self.residualStride = residualStride
  }

  /// The form that C takes.
  package func c(output: UnsafeMutablePointer<Float>, stride: Int) -> tenfold_epilogue {
    unsafe tenfold_epilogue(
      output: output,
      output_stride: stride,
      first_column: firstColumn,
      bias: bias,
      multiplier: multiplier,
      multiplier_stride: multiplierStride,
      residual: residual,
      residual_stride: residualStride,
      activation: activation.rawValue
    )
  }
}
