// The exports of the kernel module: the functions of `Kernels` in abi.ts.

export { gemm } from './gemm';
export { packPanels } from './gemm-packed';
export { gruForward, gruBackward } from './gru';
export { lstmForward, lstmBackward } from './lstm';
export { previousSteps } from './recurrence';
export { gruTangent, lstmTangent, rnnTangent } from './recurrent-tangents';
export { rnnForward, rnnBackward } from './rnn';
export { attention, attentionGrad, attentionTangent, cachedAttention, rotary } from './attention';
export {
  batchMoments,
  batchNormGrad,
  channelNorm,
  channelScaleGrad,
  groupMoments,
  groupNormGrad,
  runningMoments,
  updateRunning,
} from './channel-norms';
export { vectorMoments, vectorNorm, vectorNormGrad, vectorScaleGrad } from './vector-norms';
export { embed, storeRows, embedGrad } from './embedding';
export { conv2d, conv2dInputGrad, conv2dWeightGrad } from './convolution';
export { depthwiseConv2d } from './depthwise';
export { depthwiseConv2dInputGrad, depthwiseConv2dWeightGrad } from './depthwise-gradients';
export {
  averagePool2d,
  averagePool2dGrad,
  maxPool2d,
  maxPool2dGrad,
  maxPool2dPick,
  upsample2d,
  upsample2dGrad,
} from './pooling';
export {
  add,
  addBias,
  addScaled,
  affine,
  atLeast,
  clipValue,
  copy,
  copyColumns,
  copyStrided,
  differs,
  fill,
  keepRows,
  mul,
  mulChannels,
  mulRows,
  reciprocal,
  scaleBy,
  sub,
} from './elementwise';
export {
  elu,
  eluGrad,
  exp,
  geluErf,
  geluErfGrad,
  geluTanh,
  geluTanhGrad,
  hardSigmoid,
  hardSigmoidGrad,
  hardSilu,
  hardSiluGrad,
  hardTanh,
  hardTanhGrad,
  leakyRelu,
  leakyReluGrad,
  log,
  mish,
  mishGrad,
  relu,
  relu6,
  relu6Grad,
  reluGrad,
  selu,
  seluGrad,
  sigmoid,
  sigmoidGrad,
  silu,
  siluGrad,
  softplus,
  softplusGrad,
  softsign,
  softsignGrad,
  tanh,
  tanhGrad,
} from './activations';
export { clipScale, columnSum, dotChunks, notFinite, sumSquaresChunks } from './reductions';
export {
  correct,
  softmaxCrossEntropy,
  softmaxCrossEntropyBend,
  softmaxCrossEntropyGrad,
} from './cross-entropy';
export { logSoftmax, logSoftmaxGrad, softmax, softmaxGrad } from './softmax';
export { valueLoss, valueLossBend, valueLossGrad } from './losses';
export {
  cosineLoss,
  cosineLossGrad,
  divergence,
  divergenceGrad,
  focalCrossEntropy,
  focalCrossEntropyGrad,
  marginLoss,
  marginLossGrad,
} from './row-losses';
export { pairLoss, pairLossGrad } from './pair-losses';
export { fillFromStep, gatherRows, gatherRowsU8, meanRows } from './batches';
export { accumulate, averageUpdate, momentumUpdate, sgdUpdate } from './optimizers';
export { adamaxUpdate, adamUpdate, amsgradUpdate, nadamUpdate, radamUpdate } from './adam';
export { adadeltaUpdate, adagradUpdate, rmspropUpdate } from './adagrad';
export { lambDirection, lambUpdate } from './lamb';
export { lionUpdate } from './lion';
export { dropout, randomNormal, randomUniform } from './philox';
export { fmaPeak } from './fma-peak';
