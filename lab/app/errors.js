'use strict';
/* Errors with the HTTP status of their answer. */

class HttpError extends Error {
  constructor(type, status, message) {
    super(message);
    this.name = type;
    this.status = status;
    this.statusCode = status;
    this.expose = status < 500;
  }

  /** The value of "err" in the log. */
  toJSON() {
    const { name: type, message, stack, status, statusCode, expose } = this;
    return { type, message, stack, status, statusCode, expose };
  }
}

module.exports = {
  HttpError,
  notFound: (method, path) => new HttpError('NotFoundError', 404, `Route not found: ${method} ${path}`),
  unauthorized: () => new HttpError('UnauthorizedError', 401, 'Tenant is missing: send X-Tenant-Id'),
  internal: (cause) => new HttpError('InternalServerError', 500, cause.message || cause.code || 'Internal error'),
};
