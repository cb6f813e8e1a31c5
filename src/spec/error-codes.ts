/**
 * Every code an error can have: the only source of them, and their documentation at `/docs/errors`, where `type` in a problem points to.
 * Each has a case in test/api/bad-input-table.test.ts.
 */
export interface ErrorKind {
  status: number;
  /** for a person, the same for each error of the code */
  title: string;
  /** what brings it about */
  when: string;
  /** what the client does about it */
  remedy: string;
}

export const ERRORS = {
  empty_body: {
    status: 400,
    title: 'The body is empty',
    when: 'Nothing was sent where JSON is expected, or a file of an upload has no bytes, or nothing but empty lines.',
    remedy: 'Send a body; of a file, look whether it was read before it was sent.',
  },
  invalid_json: {
    status: 400,
    title: 'The body is not JSON',
    when: 'The body breaks off, has a comment, NaN, a comma too many or a second value, or is not UTF-8.',
    remedy: 'Send one JSON value (RFC 8259) in UTF-8; let a library write it.',
  },
  forbidden_key: {
    status: 400,
    title: 'A key of the body is forbidden',
    when: 'A key is __proto__, constructor or prototype.',
    remedy: 'Give the key another name.',
  },
  duplicate_key: {
    status: 400,
    title: 'An object has a key twice',
    when: 'One object of the body has the same key twice, also where it is written in two ways.',
    remedy: 'Send each key once: only one of the two values could count.',
  },
  too_deep: {
    status: 400,
    title: 'The body is nested too deeply',
    when: 'Arrays and objects stand in each other more than 32 deep.',
    remedy: 'Nothing that is read here is so deep; look at what wrote the body.',
  },
  not_finite: {
    status: 400,
    title: 'A number is too large',
    when: 'A number is beyond what a double can hold, such as 1e999.',
    remedy: 'Send numbers of magnitudes below 1.8e308.',
  },
  invalid_string: {
    status: 400,
    title: 'A text has a character that cannot be stored',
    when: 'A text of the body, the address or a form holds U+0000 or half of a surrogate pair.',
    remedy: 'Leave the character out.',
  },
  invalid_field: {
    status: 400,
    title: 'A field cannot be read',
    when: 'A field of the body or a parameter of the address is not known, is missing, or has a value of another type or outside its range.',
    remedy: 'Each entry of errors points to a field and says what is expected there.',
  },
  invalid_limit: {
    status: 400,
    title: 'The limit of a list is not one',
    when: 'limit is no whole number, stands twice, or is outside the range of the list.',
    remedy: 'Send a whole number from 1 to what errors says (100 for most lists), and go on with next_cursor.',
  },
  invalid_multipart: {
    status: 400,
    title: 'The multipart body cannot be read',
    when: 'A form breaks off, has no boundary, or has not the parts that an upload needs, each once.',
    remedy: 'Send images and labels (IDX), or one file, and name if you like; let a library write the form.',
  },
  digest_mismatch: {
    status: 400,
    title: 'The body is not what its digest says',
    when: 'The sha-256 of Content-Digest or Repr-Digest is not that of the bytes that arrived.',
    remedy: 'Send it again. If it stays, the digest was made of something else, such as a compressed file.',
  },
  invalid_cursor: {
    status: 400,
    title: 'The cursor is not one that was given out',
    when: 'A cursor was changed, or is of another list, other filters or another tenant.',
    remedy: 'Take next_cursor as it was given, with the same filters; or begin the list again.',
  },
  invalid_id: {
    status: 400,
    title: 'The id has not the right form',
    when: 'Where an id belongs, the address has something that can be none.',
    remedy: 'Take ids as they were given: a prefix such as job_ and 26 letters and digits.',
  },
  invalid_event_id: {
    status: 400,
    title: 'The event id is not a whole number',
    when: 'Last-Event-ID is something other than the id of an event.',
    remedy: 'Send the id of the last event that was received, or leave the header out.',
  },
  invalid_idempotency_key: {
    status: 400,
    title: 'The Idempotency-Key cannot be used',
    when: 'The header Idempotency-Key is empty, longer than 255 characters, sent twice, or has blanks or other than visible ASCII characters.',
    remedy: 'Send one text that is the request’s own, such as a UUID.',
  },
  bad_request: {
    status: 400,
    title: 'The request cannot be read',
    when: 'What arrives is not HTTP: two lengths, a NUL in a header, no Host, a connection that is cut.',
    remedy: 'Look at the client, and at what stands between it and the service.',
  },
  unauthorized: {
    status: 401,
    title: 'A key is missing, or is not the right one',
    when: 'No key was sent, or one that is none, is expired or was revoked.',
    remedy: 'Send Authorization: Bearer ty_… with a key that is valid.',
  },
  insufficient_scope: {
    status: 403,
    title: 'The key may not do that',
    when: 'The key lacks the scope of the operation, or is to make a key with scopes that it has not itself.',
    remedy: 'Use a key with the scope that detail names, or have one made.',
  },
  dataset_not_found: {
    status: 404,
    title: 'There is no such dataset',
    when: 'There is no dataset with the id, or it belongs to another tenant.',
    remedy: 'GET /v1/datasets lists those there are.',
  },
  upload_not_found: {
    status: 404,
    title: 'There is no such upload',
    when: 'There is no resumable upload with the id, it belongs to another tenant, was used or given up, or was begun more than 24 hours ago.',
    remedy: 'Begin it again with POST /v1/uploads.',
  },
  job_not_found: {
    status: 404,
    title: 'There is no such job',
    when: 'There is no job with the id, or it belongs to another tenant.',
    remedy: 'GET /v1/jobs lists those there are.',
  },
  checkpoint_not_found: {
    status: 404,
    title: 'There is no such checkpoint',
    when: 'The job has no checkpoint with the id, or its file has been removed.',
    remedy: 'GET /v1/jobs/{id}/checkpoints lists those there are; older ones are cleaned away.',
  },
  model_not_found: {
    status: 404,
    title: 'There is no such model, version or alias',
    when: 'No model of the registry has the name, or it has no such version or alias, or it belongs to another tenant.',
    remedy: 'GET /v1/models lists those there are, GET /v1/models/{name} the aliases of one.',
  },
  weights_not_found: {
    status: 404,
    title: 'There are no such weights',
    when: 'No weights were uploaded under the id, or they belong to another tenant.',
    remedy: 'GET /v1/weights lists those there are.',
  },
  api_key_not_found: {
    status: 404,
    title: 'There is no such key',
    when: 'There is no key with the id, or it belongs to another tenant.',
    remedy: 'GET /v1/api-keys lists those there are.',
  },
  webhook_not_found: {
    status: 404,
    title: 'There is no such webhook',
    when: 'There is no webhook with the id, or it belongs to another tenant.',
    remedy: 'GET /v1/webhooks lists those there are.',
  },
  delivery_not_found: {
    status: 404,
    title: 'There is no such delivery',
    when: 'The webhook has no delivery with the id.',
    remedy: 'GET /v1/webhooks/{id}/deliveries lists those there are; old ones are removed.',
  },
  not_found: {
    status: 404,
    title: 'There is nothing at this address',
    when: 'No operation has this address.',
    remedy: 'Compare it with /docs; every operation begins with /v1.',
  },
  method_not_allowed: {
    status: 405,
    title: 'This address does not know the method',
    when: 'The address is right, and the method is not one of those it knows.',
    remedy: 'Use one of the methods in the header Allow.',
  },
  request_timeout: {
    status: 408,
    title: 'The request took too long to arrive',
    when: 'The headers were not there within 15 seconds, or the body stood still for too long.',
    remedy: 'Send it again, without a pause.',
  },
  upload_not_complete: {
    status: 409,
    title: 'The upload has not all come yet',
    when: 'A dataset is to be made of a resumable upload that has fewer bytes than it was begun with.',
    remedy: 'HEAD or GET it, and go on at its offset.',
  },
  upload_conflict: {
    status: 409,
    title: 'The upload is not where you think it is',
    when: 'Upload-Offset of a PATCH is another than the upload has, or another request is at work on it.',
    remedy: 'HEAD the upload, and go on at the offset that it tells.',
  },
  illegal_transition: {
    status: 409,
    title: 'The job cannot do that now',
    when: 'What was asked of a job or a webhook does not go with its status, such as to pause a job that has ended.',
    remedy: 'Look at its status; detail says what stands against it.',
  },
  model_exists: {
    status: 409,
    title: 'There is a model of that name already',
    when: 'A model is to be made, and the tenant has one of the same name.',
    remedy: 'Take another name, or add a version to the one there is.',
  },
  model_in_use: {
    status: 409,
    title: 'The model is still needed',
    when: 'A version is to be deleted that an alias names, or a version or model from which a job begins that has not ended.',
    remedy: 'Move or delete the alias, cancel the job, or wait for its end.',
  },
  weights_in_use: {
    status: 409,
    title: 'The weights are still needed',
    when: 'A job that has not ended begins from them.',
    remedy: 'Wait for the job that detail names, or cancel it.',
  },
  model_full: {
    status: 409,
    title: 'The model has as many versions or aliases as it can have',
    when: 'A model has 10,000 versions, or 100 aliases.',
    remedy: 'Delete some that are no longer needed.',
  },
  too_many_webhooks: {
    status: 409,
    title: 'There are as many webhooks as there can be',
    when: 'The tenant has 50 webhooks.',
    remedy: 'Delete one that is no longer needed.',
  },
  dataset_in_use: {
    status: 409,
    title: 'A job still needs the dataset',
    when: 'A dataset is to be deleted that a job which has not ended reads.',
    remedy: 'Cancel the job, or wait for its end.',
  },
  job_in_use: {
    status: 409,
    title: 'Another job still needs the job',
    when: 'A job is to be deleted from whose checkpoint another begins that has not ended.',
    remedy: 'Cancel the other job, or wait for its end.',
  },
  idempotency_in_progress: {
    status: 409,
    title: 'The same request is at work',
    when: 'A request with the same Idempotency-Key has not been answered yet, or its process died within the last ten seconds.',
    remedy: 'Send it again after the seconds of Retry-After.',
  },
  checkpoint_not_ready: {
    status: 409,
    title: 'The job has no checkpoint yet',
    when: 'latest or best is asked of a job that has not written one.',
    remedy: 'Wait for the event job.checkpoint.',
  },
  evaluation_not_ready: {
    status: 409,
    title: 'The job has no evaluation',
    when: 'The evaluation is asked of a job that has not succeeded: it is written with the success.',
    remedy:
      'Wait for the event job.succeeded; a job that failed or was cancelled has none, but its diagnosis may say why.',
  },
  not_comparable: {
    status: 409,
    title: 'The two jobs cannot be compared',
    when: 'Two jobs were not judged on the same rows of the same dataset for the same target, or what was answered to each row is not kept any more.',
    remedy: 'Judge both checkpoints on one dataset with jobs of kind evaluate, and compare those.',
  },
  precondition_failed: {
    status: 412,
    title: 'It is not as it was when it was read',
    when: 'If-Match tells another ETag than that of the webhook, model, version or alias, or another state than that of the job, as it is now; or If-None-Match: * comes for an alias that is there.',
    remedy: 'Read it again, and ask with the new ETag; the answer has it, too.',
  },
  too_large: {
    status: 413,
    title: 'The body is too large',
    when: 'A JSON body has more than 1 MiB, or more than 20,000 fields, objects and lists where it is no rows to predict; an upload has more than the service takes, or a form too many parts.',
    remedy: 'GET /v1/system tells the limits.',
  },
  id_too_long: {
    status: 414,
    title: 'A part of the address is too long',
    when: 'Where an id belongs, the address has more than 200 characters.',
    remedy: 'Take ids as they were given.',
  },
  unsupported_media_type: {
    status: 415,
    title: 'The body has a type that is not read here',
    when: 'Content-Type is missing, or is not one that the operation reads.',
    remedy: 'Send one of the types that detail names.',
  },
  unsupported_encoding: {
    status: 415,
    title: 'The body has an encoding that is not read here',
    when: 'Content-Encoding says that the body of anything but a dataset is compressed, or a dataset otherwise than by gzip, deflate or zstd; or Transfer-Encoding says so.',
    remedy: 'Send the body as it is, or a dataset with gzip or zstd.',
  },
  range_not_satisfiable: {
    status: 416,
    title: 'The range lies outside the file',
    when: 'Range begins behind the end of the file.',
    remedy: 'Content-Range tells how long the file is.',
  },
  invalid_spec: {
    status: 422,
    title: 'The specification makes no sense',
    when: 'Every field can be read, and what they say does not fit together or to the dataset: a column that is not there, a learning rate of 0, a loss that does not go with the target.',
    remedy: 'Each entry of errors points to a field and says what is expected there.',
  },
  shape_mismatch: {
    status: 422,
    title: 'Shapes do not fit',
    when: 'A layer cannot take what the layer before it gives, or a dataset has not the shape of the model that is trained on.',
    remedy: 'errors tells the shapes; put a layer such as flatten or reshape between, or change the sizes.',
  },
  model_too_large: {
    status: 422,
    title: 'The model is too large',
    when: 'Training would take more memory than a job may have; detail tells how much.',
    remedy: 'Choose fewer units or layers, or a smaller batch_size.',
  },
  invalid_rows: {
    status: 422,
    title: 'Rows do not fit the model',
    when: 'A row of a prediction has a column that the model does not know, or a value of another type.',
    remedy: 'Each entry of errors points to a row and a column; the job’s spec tells the inputs.',
  },
  not_exportable: {
    status: 422,
    title: 'The format cannot say what the network is',
    when: 'A preparation that ONNX has no operations for, or a file of more than 2 GiB, which protobuf does not allow.',
    remedy: 'Ask with preparation=false, or for another format.',
  },
  invalid_csv: {
    status: 422,
    title: 'The CSV cannot be read',
    when: 'A row has another number of fields than the header, a quote is not closed, a name stands twice, there are no rows, more than 10,000 columns, or a record of more than 16 MiB.',
    remedy: 'errors has up to 20 places with line and column, and what is expected there.',
  },
  invalid_jsonl: {
    status: 422,
    title: 'The JSON cannot be read',
    when: 'A line of JSON lines, or an element of an array, is no JSON object of numbers, texts, booleans and nulls, or has more than 16 MiB.',
    remedy: 'errors has up to 20 places with line and column, and what is expected there.',
  },
  invalid_safetensors: {
    status: 422,
    title: 'The file is not safetensors',
    when: 'The file is shorter or longer than its header says, the header has over 1 MB, tensors overlap or leave a hole, a shape does not fit its bytes, a name stands there twice, or a number is not finite.',
    remedy: 'Write it with the safetensors library; detail says which tensor is wrong.',
  },
  invalid_idx: {
    status: 422,
    title: 'The IDX files cannot be read',
    when: 'A file is compressed, is not of unsigned bytes, or is shorter or longer than its header says.',
    remedy: 'Send the decompressed files, as those of MNIST are.',
  },
  invalid_parquet: {
    status: 422,
    title: 'The Parquet file cannot be read',
    when: 'A Parquet file is cut short, says what is not so, has names twice, or no rows.',
    remedy: 'Write it again, with pandas or pyarrow for example; detail says what is wrong.',
  },
  invalid_arrow: {
    status: 422,
    title: 'The Arrow file cannot be read',
    when: 'An Arrow IPC file or stream is cut short, says what is not so, has names twice, or no rows.',
    remedy: 'Write it again; detail says what is wrong.',
  },
  invalid_npy: {
    status: 422,
    title: 'The arrays cannot be read',
    when: 'An NPY or NPZ file is cut short, holds objects or arrays of different lengths, is in Fortran order, or has images that are not of bytes.',
    remedy: 'Save arrays of numbers, of one length, with numpy.save or numpy.savez.',
  },
  invalid_archive: {
    status: 422,
    title: 'The archive cannot be read',
    when: 'A zip or tar archive is cut short, holds no images, or files that are no PNG, JPEG or WebP.',
    remedy: 'Pack images alone, in a folder for each class; errors names files that are not.',
  },
  unsafe_archive: {
    status: 422,
    title: 'The archive reaches out of itself',
    when: 'A name in a zip or tar archive is absolute or has .. in it, or an entry is a link.',
    remedy: 'Pack the files themselves, from the folder that holds them.',
  },
  decompression_limit: {
    status: 422,
    title: 'The file unpacks to too much',
    when: 'A file unpacks to more than 100 times its size, is compressed twice, or by zstd with a window of more than 8 MiB (`--ultra`, `--long`), has images of more than 67 million pixels, files of more than 64 MiB in an archive, or pages, batches or groups of rows that are too large to hold.',
    remedy: 'Pack the file less densely, or in smaller parts.',
  },
  invalid_labels: {
    status: 422,
    title: 'The labels do not fit the images',
    when: 'There are more or fewer labels than images, or all labels are the same.',
    remedy: 'Send one label for each image, of at least two classes.',
  },
  invalid_encoding: {
    status: 422,
    title: 'The text cannot be decoded',
    when: 'A file of text has bytes that are in no known encoding or not in that of its beginning, or are U+0000; or a compressed file is cut short.',
    remedy: 'Save it as UTF-8; errors tells the place.',
  },
  idempotency_mismatch: {
    status: 422,
    title: 'The Idempotency-Key was used for another request',
    when: 'Within 24 hours the same Idempotency-Key came with another body or at another address.',
    remedy: 'Take a new key for each request, and the same one only to repeat it.',
  },
  url_forbidden: {
    status: 422,
    title: 'The URL of a dataset may not be called',
    when: 'The URL is not https, has a name and password or port 0, or leads to an address that is not public, itself or by a redirect.',
    remedy: 'Give a public https URL, or send the file itself; whoever runs the service can allow others.',
  },
  url_unreachable: {
    status: 422,
    title: 'The URL of a dataset gives no file',
    when: 'Nothing answers at the URL in time, it answers with another status than 200, redirects more than five times, or breaks off.',
    remedy: 'Look at the URL with another client; detail says what came.',
  },
  webhook_url_forbidden: {
    status: 422,
    title: 'The URL of a webhook may not be called',
    when: 'The URL is not https, has a name and password or port 0, or leads to an address that is not public.',
    remedy: 'Give a public https URL; whoever runs the service can allow others.',
  },
  rate_limited: {
    status: 429,
    title: 'There were too many requests',
    when: 'A key, or an address without a key, has sent more requests in a minute than RateLimit-Limit says.',
    remedy: 'Try again after the seconds of Retry-After; RateLimit-Remaining tells beforehand what is left.',
  },
  quota_exceeded: {
    status: 429,
    title: 'The tenant has as much as it may have',
    when: 'With this dataset or job the tenant would have more bytes of datasets, or more jobs that have not ended, than it may.',
    remedy: 'Delete datasets, wait for jobs to end or cancel some, or ask whoever runs the service for more.',
  },
  headers_too_large: {
    status: 431,
    title: 'The headers are too large',
    when: 'The address and all headers together have more than 16 KiB.',
    remedy: 'Send fewer or shorter headers.',
  },
  checkpoint_damaged: {
    status: 500,
    title: 'The checkpoint is not what was written',
    when: 'The file in storage differs in size or sha-256 from what the worker wrote.',
    remedy: 'Use another checkpoint of the job, and tell whoever runs the service.',
  },
  internal: {
    status: 500,
    title: 'Something went wrong here',
    when: 'The service has made a mistake.',
    remedy: 'Tell whoever runs the service the request_id, under which the log has the reason.',
  },
  unavailable: {
    status: 503,
    title: 'A part of the service cannot be reached just now',
    when: 'The database or the storage is away, the service is stopping, or it has more to do than it can.',
    remedy: 'Try again after the seconds of Retry-After.',
  },
  storage_full: {
    status: 507,
    title: 'The storage is full',
    when: 'There was no room for an upload. Nothing of it was stored.',
    remedy: 'Delete datasets that are no longer needed, or have whoever runs the service add room.',
  },
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof ERRORS;
