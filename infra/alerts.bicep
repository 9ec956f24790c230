metadata description = 'Alarms by mail, and the budget. Each query says at its beginning what it reads.'

@description('Part of the names that makes them unique.')
param token string
@description('Region.')
param location string
@description('Tags.')
param tags object
@description('Resource id of the Log Analytics workspace.')
param workspaceId string
@minLength(3)
@description('Where alarms and the budget write to.')
param email string
@minValue(0)
@description('Budget of a month in the currency of the subscription; 0: none.')
param monthlyBudget int
@description('First day of the month in which the budget began.')
param budgetStart string
@minValue(0)
@description('Failed invocations in an hour that are still no alarm; each try of a product counts.')
param failuresPerHour int = 20

var rules = [
  {
    name: 'poison'
    title: 'A queue gave up on a message'
    query: loadTextContent('queries/poison.kql')
    operator: 'GreaterThan'
    threshold: 0
    window: 'PT1H'
    severity: 2
  }
  {
    name: 'failures'
    title: 'Many invocations fail'
    query: loadTextContent('queries/failures.kql')
    operator: 'GreaterThan'
    threshold: failuresPerHour
    window: 'PT1H'
    severity: 2
  }
  {
    name: 'watch-silent'
    title: 'The watch has not run for an hour'
    query: loadTextContent('queries/watch-silent.kql')
    operator: 'LessThan'
    threshold: 1
    window: 'PT1H'
    severity: 1
  }
  {
    name: 'schedule-silent'
    title: 'The schedule has not run for a day'
    query: loadTextContent('queries/schedule-silent.kql')
    operator: 'LessThan'
    threshold: 1
    window: 'P1D'
    severity: 1
  }
  {
    name: 'oldest'
    title: 'A product has waited for more than a day'
    query: loadTextContent('queries/oldest.kql')
    operator: 'GreaterThan'
    threshold: 0
    window: 'P2D'
    severity: 3
  }
  {
    name: 'job-failures'
    title: 'The container step gave up'
    query: loadTextContent('queries/job-failures.kql')
    operator: 'GreaterThan'
    threshold: 0
    window: 'PT1H'
    severity: 2
  }
]

resource mail 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'ag-${token}'
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'icewatch'
    emailReceivers: [{ name: 'operator', emailAddress: email, useCommonAlertSchema: true }]
  }
}

resource alarms 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for rule in rules: {
    name: 'alert-${rule.name}-${token}'
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: 'IceWatch: ${rule.title}'
      severity: rule.severity
      enabled: true
      scopes: [workspaceId]
      evaluationFrequency: 'PT1H'
      windowSize: rule.window
      autoMitigate: true
      skipQueryValidation: true // the tables of the container appear with its first line
      criteria: {
        allOf: [
          {
            query: rule.query
            timeAggregation: 'Count'
            operator: rule.operator
            threshold: rule.threshold
            failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
          }
        ]
      }
      actions: { actionGroups: [mail.id] }
    }
  }
]

resource budget 'Microsoft.Consumption/budgets@2024-08-01' = if (monthlyBudget > 0) {
  name: 'budget-${token}'
  properties: {
    category: 'Cost'
    amount: monthlyBudget
    timeGrain: 'Monthly'
    timePeriod: { startDate: budgetStart }
    notifications: {
      spent80: {
        enabled: true
        operator: 'GreaterThanOrEqualTo'
        threshold: 80
        thresholdType: 'Actual'
        contactEmails: [email]
      }
      forecast100: {
        enabled: true
        operator: 'GreaterThanOrEqualTo'
        threshold: 100
        thresholdType: 'Forecasted'
        contactEmails: [email]
      }
    }
  }
}
