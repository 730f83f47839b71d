// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

internal import CTenfoldKernels

/// Turns stored weights into floats: rows of an embedding table, or a reference for tests.
///
/// - Parameters:
///   - format: The format of `bytes`; any but ``WeightFormat/int8``.
///   - bytes: Whole blocks, any alignment.
///   - output: Receives exactly as many floats as `bytes` holds elements.
/// - Throws: ``KernelError`` with code ``KernelError/Code/unsupportedFormat``, ``KernelError/Code/invalidBlock`` or
///   ``KernelError/Code/invalidShape``.
public func dequantize(
  format: WeightFormat,
  bytes: UnsafeRawBufferPointer,
  into output: UnsafeMutableBufferPointer<Float>
) throws(KernelError) {
  guard format.kind != .int8 else {
    throw KernelError(.unsupportedFormat, "int8 codes carry no scale of their own")
  }
  guard format.byteCount(elements: output.count) == bytes.count else {
    throw KernelError(
      .invalidShape,
      "\(bytes.count) bytes are not \(output.count) elements in whole \(format) blocks"
    )
  }
  guard let source = unsafe bytes.baseAddress?.assumingMemoryBound(to: UInt8.self),
    let target = output.baseAddress, output.count > 0
  else { return }
  switch format.kind {
  case .block(let raw):
    unsafe tenfold_block_dequantize(tenfold_block_format(rawValue: raw), source, output.count, target)
  case .float(let raw):
    unsafe tenfold_float_dequantize(tenfold_float_format(rawValue: raw), source, output.count, target)
  case .int8: break
  }
}
